import numpy as np
import pytest
import torch

from unwarp import warp
from unwarp.data.intake import Intake
from unwarp.data.picture import Picture
from unwarp.errors import UnsupportedError
from unwarp.experiments.rectification import map_for, warp_picture
from unwarp.nn import DenseLocaliser, SpatialTransformer
from unwarp.transforms import Affine

TURN = torch.tensor([[0.8, -0.6, 0.1], [0.6, 0.8, 0.0]])
EYE = Affine().identity()


def transformer(transform="affine", **options):
    return SpatialTransformer(DenseLocaliser(16), transform, **options)


def picture(dtype, *, channels=3, alpha=False, size=(30, 20)):
    top = 1.0 if dtype == np.float32 else np.iinfo(dtype).max
    pixels = np.random.default_rng(0).random((*size, channels)) * top
    return Picture(pixels.astype(dtype), alpha, "PNG")


@pytest.mark.parametrize("fit", ["stretch", "pad", "crop"])
def test_the_identity_shows_what_the_network_sees_at_the_pictures_own_resolution(fit):
    given = picture(np.uint8)
    where = map_for(transformer(), EYE, Intake(16, 16, 3, fit), (30, 20))
    made = warp_picture(given, where)
    expected = {"stretch": (30, 20), "pad": (30, 30), "crop": (20, 20)}[fit]
    assert abs(made.shape[0] - expected[0]) <= 1
    assert abs(made.shape[1] - expected[1]) <= 3  # whole pixels of the small input
    if fit == "stretch":
        np.testing.assert_array_equal(made, given.pixels)
    if fit == "crop":
        np.testing.assert_array_equal(made, given.pixels[5:25])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_depth_is_kept(dtype):
    given = picture(dtype, channels=1)
    where = map_for(transformer(), TURN, Intake(16, 16, 1), (30, 20))
    made = warp_picture(given, where, antialias=False)
    assert made.dtype == dtype
    image = torch.from_numpy(given.pixels.astype(np.float32)).permute(2, 0, 1)[None]
    expected = warp(image, TURN[None], "affine")[0, 0].numpy()
    half = 0 if dtype == np.float32 else 0.5
    assert np.abs(made[..., 0] - expected).max() <= half + 1e-3


@pytest.mark.parametrize("dtype", [np.int16, np.int32])
@pytest.mark.parametrize("antialias", [False, True])
def test_the_identity_returns_signed_values_bit_for_bit(dtype, antialias):
    ends = np.iinfo(dtype)
    values = np.random.default_rng(0).integers(ends.min, ends.max, (30, 20, 1), dtype=dtype, endpoint=True)
    where = map_for(transformer(), EYE, Intake(16, 16, 1), (30, 20))
    made = warp_picture(Picture(values, False, "TIFF"), where, antialias=antialias)
    assert made.dtype == dtype
    np.testing.assert_array_equal(made, values)


@pytest.mark.parametrize("fit", ["pad", "crop"])
def test_a_map_of_the_input_is_moved_to_the_picture(fit):
    """What the network would hand on, from the small input, is what comes of the picture, but for its sharpness."""
    y, x = np.mgrid[0:120, 0:80]
    smooth = (120 + 60 * np.sin(x / 13) + 50 * np.cos(y / 17)).astype(np.uint8)[..., None]
    given, intake = Picture(smooth, False, "PNG"), Intake(64, 64, 1, fit)
    theta = torch.tensor([[0.45, -0.2, 0.05], [0.2, 0.45, -0.1]])
    small = warp(intake.image(given)[None].float(), theta[None], "affine", (32, 32))[0, 0]
    large = warp_picture(given, map_for(transformer(), theta, intake, (120, 80), output=(32, 32)))[..., 0]
    assert np.abs(small.numpy() - large.astype(np.float32)).mean() < 1  # the edge of a padded picture is sharper


def test_transparent_pixels_lend_no_colour():
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:, :4] = (255, 0, 0, 255)
    pixels[:, 4:] = (0, 255, 0, 0)  # green, but not to be seen
    theta = torch.tensor([[1.0, 0.0, 0.06], [0.0, 1.0, 0.0]])
    made = warp_picture(Picture(pixels, True, "PNG"), map_for(transformer(), theta, Intake(8, 8, 3), (8, 8)))
    seen = made[made[..., 3] > 0]
    assert (made[..., 3] != 255).any()
    assert {tuple(colour) for colour in seen[:, :3].tolist()} == {(255, 0, 0)}


def test_several_warps_a_picture_are_refused():
    with pytest.raises(UnsupportedError, match="one theta"):
        map_for(transformer(count=2), torch.stack([EYE, EYE]), Intake(8, 8, 3), (8, 8))
