"""Dense flow: units, positions, composition at the pixels."""

import pytest
import torch

import unwarp
from support.families import points_inside
from support.generators import generator, image
from support.tolerances import assert_matches
from unwarp.errors import OptionError, ShapeError
from unwarp.transforms import Flow


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_whole_pixels_shift_the_image(ndim, align_corners):
    size = (4, 6, 5)[-ndim:]
    source = image(size, dtype=torch.float64)
    theta = torch.zeros(1, *size, ndim, dtype=torch.float64)
    theta[..., 0] = 2.0
    transform = Flow(size, ndim=ndim, units="pixel", align_corners=align_corners)
    warped = unwarp.warp(source, theta, transform, padding_mode="border", align_corners=align_corners)
    assert_matches(warped[..., :-2], source[..., 2:], "oracle")


def test_normalised_and_pixel_units_agree():
    flow = torch.randn(2, 4, 6, 2, generator=generator(), dtype=torch.float64)
    points = points_inside(2, 20)
    in_pixels = Flow((4, 6), units="pixel")(flow, points)
    normalised = Flow((4, 6))(flow / torch.tensor([3.0, 2.0], dtype=torch.float64), points)
    assert_matches(in_pixels, normalised, "oracle")


@pytest.mark.parametrize("align_corners", [False, True])
def test_is_linear_between_pixels_and_constant_beyond(align_corners):
    field = image((5, 7), batch=2, channels=2, dtype=torch.float64)
    points = 2 * points_inside(2, 200)
    sampled = unwarp.sample(field, points[None], padding_mode="border", align_corners=align_corners)
    moved = Flow((5, 7), align_corners=align_corners)(field.movedim(1, -1), points) - points
    assert_matches(moved, sampled.mT, "oracle")


@pytest.mark.parametrize("units", ["normalised", "pixel"])
@pytest.mark.parametrize("align_corners", [False, True])
def test_a_composition_is_exact_at_the_pixels(align_corners, units):
    transform = Flow((5, 6), units=units, align_corners=align_corners)
    outer, inner = 0.3 * torch.randn(2, 5, 6, 2, generator=generator(), dtype=torch.float64)
    nodes = unwarp.make_grid((5, 6), align_corners=align_corners, dtype=torch.float64)
    expected = transform(outer, transform(inner, nodes))
    assert_matches(transform(transform.compose(outer, inner), nodes), expected, "oracle")


def test_a_field_of_another_size_with_as_many_pixels_is_not_taken_for_one():
    field = torch.zeros(1, 2, 8, 2)
    for pair in ((field, field.view(1, 4, 4, 2)), (field.view(1, 4, 4, 2), field)):
        with pytest.raises(ShapeError, match=r"theta: expected \(\*batch, 2, 8, 2\) for Flow, got \(1, 4, 4, 2\)"):
            Flow((2, 8)).compose(*pair)


def test_one_pixel_is_a_translation():
    points = points_inside(2, 5)
    theta = torch.tensor([0.2, 0.1], dtype=torch.float64).view(1, 1, 2)
    assert_matches(Flow((1, 1))(theta, points), points + theta[0, 0], "oracle")


def test_wrong_options_are_refused():
    with pytest.raises(OptionError, match="units: expected one of normalised, pixel"):
        Flow(units="voxel")
    with pytest.raises(OptionError, match="size: expected 2 counts of at least 1"):
        Flow((4,))
    with pytest.raises(OptionError, match="size: expected 2 counts of at least 2"):
        Flow((1, 4), align_corners=True)
