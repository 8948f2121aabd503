"""Pixels that are NaN or infinite reach the samples whose taps they are, and no others."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from support.active_backends import every_backend, exact_backends
from support.generators import generator, image
from support.tolerances import assert_matches
from unwarp import sample
from unwarp.kernels import Cubic

CHANNELS = pytest.mark.parametrize("channels", [1, 3, 20])
LAYOUTS = pytest.mark.parametrize("channels_last", [False, True])
CASES = pytest.mark.parametrize(
    ("size", "out", "mode"),
    [
        ((3, 2), (5, 8), "bilinear"),
        ((7, 9), (21, 33), "bilinear"),
        ((7, 9), (21, 33), "nearest"),
        ((7, 9), (21, 33), "bicubic"),
        ((40, 50), (70, 66), "bilinear"),
        ((4, 5, 6), (7, 6, 9), "bilinear"),
        ((4, 5, 6), (7, 6, 9), "nearest"),
    ],
)


def rimmed(size: tuple[int, ...], channels: int, *, channels_last: bool) -> Tensor:
    """White noise with NaN and infinities along its edges and, along the last axis, next to one."""
    made = image(size, channels=channels)
    made[..., 0, :] = -math.inf
    made[..., -2] = math.inf
    made[..., 0] = math.nan
    formats = {2: torch.channels_last, 3: torch.channels_last_3d}
    return made.contiguous(memory_format=formats[len(size)]) if channels_last else made


def wide_grid(out: tuple[int, ...]) -> Tensor:
    return torch.rand(2, *out, len(out), generator=generator(1)) * 3 - 1.5


def values_and_gradient(warp, source: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
    grid = grid.clone().requires_grad_()
    values = warp(source, grid)
    upstream = torch.randn(values.shape, generator=generator(2))
    # Scaled to what a value's rounding errors are: the gradient is that of all channels, by positions of -1 to 1.
    return values.detach(), torch.autograd.grad(values, grid, upstream)[0] / source[0].numel() ** 0.5


def assert_finite_alike(actual: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor], *, sloped: bool) -> None:
    """Hold values together, and gradients where the values of all channels are finite."""
    finite = expected[0].isfinite()
    assert 0 < finite.sum() < finite.numel()
    assert torch.equal(actual[0].isfinite(), finite)
    assert_matches(actual[0][finite], expected[0][finite], "backend")
    if sloped:
        assert_matches(actual[1][finite.all(1)], expected[1][finite.all(1)], "backend", what="gradient")


@every_backend
@CASES
@LAYOUTS
@CHANNELS
def test_edges_reach_as_far_outside_as_in_torch(channels, channels_last, size, out, mode, backend):
    source, grid = rimmed(size, channels, channels_last=channels_last), wide_grid(out)
    kernel = Cubic(-0.75) if mode == "bicubic" else mode
    found = values_and_gradient(lambda *leaves: sample(*leaves, mode=kernel, backend=backend), source, grid)
    expected = values_and_gradient(lambda *leaves: grid_sample(*leaves, mode, align_corners=False), source, grid)
    assert_finite_alike(found, expected, sloped=mode != "nearest")


@exact_backends
@pytest.mark.parametrize(
    ("padding", "x", "expected"),
    [
        ("zeros", -1.5, 0.0),
        ("border", -1.5, 1.0),
        ("border", 4.5, 4.0),
        ("reflection", -0.5, 1.0),
        ("circular", -0.5, 2.5),
        ("fill", -1.5, 7.0),
        ("fill", 3.4, 4.0),
        ("border", 0.25, math.nan),
    ],
)
def test_a_neighbour_of_the_edge(padding, x, expected, backend):
    """1, NaN, NaN, 4 along an axis: beyond the edges only the outer two are seen."""
    line = torch.tensor([[[1.0, math.nan, math.nan, 4.0]]])
    grid = torch.tensor([[[(2 * x + 1) / 4 - 1]]])
    options = {"padding_mode": padding, "backend": backend, "fill_value": 7.0 if padding == "fill" else 0.0}
    assert_matches(sample(line, grid, **options).squeeze(), torch.tensor(expected), "backend")


@exact_backends
@pytest.mark.parametrize("padding", ["border", "reflection", "fill"])
@CASES
@LAYOUTS
@CHANNELS
def test_only_taps_count(channels, channels_last, size, out, mode, padding, backend):
    """A sample that does not change when the pixels that are not finite do has none of them among its taps."""
    source, grid = rimmed(size, channels, channels_last=channels_last), wide_grid(out)
    options = {"mode": mode, "padding_mode": padding, "fill_value": 0.5 if padding == "fill" else 0.0}

    def found(pixels: Tensor) -> tuple[Tensor, Tensor]:
        return values_and_gradient(lambda *leaves: sample(*leaves, backend=backend, **options), pixels, grid)

    finite = source.isfinite()
    first, second = (found(source.where(finite, image(size, channels=channels, seed=seed))) for seed in (3, 4))
    values = first[0].where(first[0] == second[0], math.nan)
    assert_finite_alike(found(source), (values, first[1]), sloped=mode != "nearest")
