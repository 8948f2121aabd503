"""Paddings: index maps against numpy.pad, masks against their definition."""

import numpy as np
import pytest
import torch

import unwarp
from support.generators import image
from support.tolerances import assert_matches, assert_same
from unwarp import padding

NUMPY_MODES = {
    ("border", False): "edge",
    ("reflection", False): "symmetric",
    ("reflection", True): "reflect",
    ("circular", False): "wrap",
}


@pytest.mark.parametrize("n", [1, 2, 3, 7])
@pytest.mark.parametrize(("padding_mode", "align_corners"), NUMPY_MODES)
def test_taps_read_what_numpy_pads_with(padding_mode, align_corners, n):
    by = 4 * n + 3
    index = torch.arange(-by, n + by)
    mapped = padding.map_index(index, n, padding_mode, align_corners=align_corners)
    expected = np.pad(np.arange(n), by, mode=NUMPY_MODES[padding_mode, align_corners])
    assert mapped.tolist() == expected.tolist()


@pytest.mark.parametrize("n", [1, 2, 7, 1000])
@pytest.mark.parametrize("padding_mode", padding.MODES)
@pytest.mark.parametrize("align_corners", [False, True])
def test_any_index_falls_into_the_image(align_corners, padding_mode, n):
    index = torch.tensor([-(2**31), -(2**40), 2**31, 2**40, -1, 0, n - 1, n])
    mapped = padding.map_index(index, n, padding_mode, align_corners=align_corners)
    assert ((mapped >= 0) & (mapped < n)).all()


@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("padding_mode", padding.MODES)
@pytest.mark.parametrize("align_corners", [False, True])
def test_the_padded_image_repeats_after_its_period(align_corners, padding_mode, n):
    period = padding.period(n, padding_mode, align_corners=align_corners)
    assert (period is None) == padding.has_limit(padding_mode)
    if period is not None:
        index = torch.arange(-20, 20)
        one, other = (
            padding.map_index(i, n, padding_mode, align_corners=align_corners) for i in (index, index + period)
        )
        assert_same(one, other)


@pytest.mark.parametrize("align_corners", [False, True])
def test_zeros_and_fill_end_where_minus_one_to_one_ends(align_corners):
    edge = 0.0 if align_corners else 0.5
    positions = torch.tensor([-edge - 0.01, -edge, 0.0, 4.0, 4.0 + edge, 4.01 + edge])
    assert padding.inside_extent(positions, 5, align_corners=align_corners).tolist() == [
        False,
        True,
        True,
        True,
        True,
        False,
    ]
    assert padding.inside_taps(torch.tensor([-1, 0, 4, 5]), 5).tolist() == [False, True, True, False]


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic", "bspline3"])
@pytest.mark.parametrize("align_corners", [False, True])
def test_fill_is_border_inside_and_the_value_outside(align_corners, mode, ndim):
    size = (5, 4, 6)[:ndim]
    x = image(size, batch=1, channels=2)
    grid = 3 * torch.rand(1, 50, ndim) - 1.5
    options = {"mode": mode, "align_corners": align_corners}
    filled = unwarp.sample(x, grid, padding_mode="fill", fill_value=[0.25, -3.0], **options)
    inside = (grid.abs() <= 1).all(-1)
    assert 5 < inside.sum() < 45
    assert_matches(
        filled[:, :, inside[0]], unwarp.sample(x, grid, padding_mode="border", **options)[:, :, inside[0]], "rearranged"
    )
    outside = filled[:, :, ~inside[0]]
    assert_same(outside, torch.tensor([0.25, -3.0])[None, :, None].expand_as(outside))


@pytest.mark.parametrize("value", [7.0, torch.tensor(7.0), [7.0], torch.tensor([7.0, 7.0, 7.0]), 7])
def test_fill_values_may_be_a_number_or_one_a_channel(value):
    sampled = unwarp.sample(image((3, 3), batch=1), torch.full((1, 1, 2), 5.0), padding_mode="fill", fill_value=value)
    assert sampled.flatten().tolist() == [7.0, 7.0, 7.0]


@pytest.mark.parametrize(
    ("dtype", "value"),
    [(torch.float64, 0.1), (torch.int64, 123456789.0), (torch.int32, 16777217), (torch.complex128, 0.1 + 0.2j)],
)
def test_fill_values_are_not_rounded_to_float32(dtype, value):
    grid = torch.full((1, 1, 2), 5.0)
    source = torch.zeros(1, 1, 3, 3, dtype=dtype)
    sampled = unwarp.sample(source, grid, mode="nearest", padding_mode="fill", fill_value=value)
    assert sampled.item() == value


def test_fill_values_of_another_number_of_channels_are_refused():
    with pytest.raises(unwarp.ShapeError, match="one value for each of 3 channels"):
        unwarp.sample(image((3, 3)), torch.zeros(2, 1, 2), padding_mode="fill", fill_value=[1.0, 2.0])


def test_a_fill_value_without_fill_is_refused():
    with pytest.raises(unwarp.OptionError, match="which does not use it"):
        unwarp.sample(image((3, 3)), torch.zeros(2, 1, 2), padding_mode="border", fill_value=1.0)


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_the_gradient_at_the_border_is_zero(mode):
    """As beyond it: the position is clamped (torch issue 23925)."""
    grid = torch.tensor([[[-1.0], [1.0], [1.5], [-0.999]]], requires_grad=True)
    x = torch.tensor([[[1.0, 2.0, 4.0, 8.0]]])
    unwarp.sample(x, grid, mode=mode, padding_mode="border", align_corners=True).sum().backward()
    assert grid.grad.flatten()[:3].tolist() == [0, 0, 0]
    assert (grid.grad.flatten()[3] != 0) == (mode == "bilinear")
