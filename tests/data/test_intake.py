import numpy as np
import pytest
import torch

from unwarp import warp
from unwarp.data.intake import FITS, Intake
from unwarp.data.picture import Picture
from unwarp.transforms import Affine


def picture(array, *, alpha=False):
    return Picture(np.asarray(array), alpha, "PNG")


def ramp(height, width):
    """Brightness rises along both axes, slowly enough for any resampling to agree."""
    y, x = np.mgrid[0:height, 0:width]
    return (60 + 100 * x / width + 90 * y / height).astype(np.uint8)[..., None]


def test_a_picture_of_the_right_size_is_taken_as_it_is():
    pixels = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    torch.testing.assert_close(Intake(4, 5).image(picture(pixels)), torch.from_numpy(pixels).permute(2, 0, 1))


@pytest.mark.parametrize(("dtype", "white"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1.0)])
def test_every_depth_has_the_same_black_and_white(dtype, white):
    pixels = np.array([[[0], [white]]], dtype)
    assert Intake(1, 2, 1).image(picture(pixels)).flatten().tolist() == [0, 255]


def test_grey_and_colour_are_converted_both_ways():
    grey = Intake(1, 1, 3).image(picture(np.array([[[7]]], np.uint8)))
    assert grey.flatten().tolist() == [7, 7, 7]
    colour = Intake(1, 1, 1).image(picture(np.array([[[100, 50, 200]]], np.uint8)))
    assert colour.item() == round(0.299 * 100 + 0.587 * 50 + 0.114 * 200)


def test_transparency_shows_the_background():
    half = picture(np.array([[[200, 128]]], np.uint8), alpha=True)
    assert Intake(1, 1, 1, background=0.0).image(half).item() == round(200 * 128 / 255)
    assert Intake(1, 1, 1, background=1.0).image(half).item() == round(200 * 128 / 255 + 255 * 127 / 255)


def test_padding_shows_the_background_on_both_sides_alike():
    image = Intake(10, 10, 1, "pad", background=1.0).image(picture(np.zeros((20, 10, 1), np.uint8)))[0]
    bright = [bool((image[:, column] == 255).all()) for column in range(10)]
    assert bright == bright[::-1]
    assert 4 <= sum(bright) <= 6


def test_cropping_takes_the_middle():
    pixels = np.zeros((10, 30, 1), np.uint8)
    pixels[:, 10:20] = 255
    assert Intake(10, 10, 1, "crop").image(picture(pixels)).min() == 255


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("size", [(90, 61), (40, 100), (33, 33)])
def test_the_frame_says_where_the_input_lies_in_the_picture(fit, size):
    """Warping the picture by the frame gives what the network sees."""
    intake = Intake(24, 31, 1, fit)
    frame_x, frame_y = intake.frame(size)
    pixels = ramp(*size)
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    theta = torch.tensor([[[frame_x, 0.0, 0.0], [0.0, frame_y, 0.0]]])
    seen = warp(image, theta, Affine(), (24, 31), antialias=True)
    expected = intake.image(picture(pixels))[None].float()
    inside = (seen > 0) & (expected > 0)
    assert inside.float().mean() > 0.2
    inner = torch.zeros_like(inside)
    inner[..., 2:-2, 2:-2] = inside[..., 2:-2, 2:-2]
    edges = torch.nn.functional.max_pool2d(1.0 - inside.float(), 5, 1, 2) > 0
    assert (seen - expected)[inner & ~edges].abs().max() < 2
