"""Sampling at a grid like one before gives what the first gave, and bad input is refused as ever."""

import pytest
import torch
from torch import Tensor

import unwarp
from support.generators import generator, image
from support.repeats import assert_repeats
from support.tolerances import assert_matches
from unwarp import _repeats, sample
from unwarp.errors import DeviceError, DtypeError, OptionError, ShapeError

SIZES = {1: (9,), 2: (7, 10), 3: (4, 5, 6)}

pytestmark = pytest.mark.skipif(
    unwarp.available_backends()["native"] is not None, reason="the C++ ops are missing: no call is kept"
)


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch):
    monkeypatch.setattr(_repeats, "_kept_grids", {})


def near_grid(size: tuple[int, ...], *, batch: int = 2, dtype: torch.dtype = torch.float32) -> Tensor:
    grid = unwarp.make_grid(size, dtype=torch.float64).expand(batch, *size, len(size))
    return (1.2 * grid + 0.1 * torch.randn(grid.shape, generator=generator(3), dtype=torch.float64)).to(dtype)


def grids_kept() -> int:
    return sum(repeat is not None for repeat in _repeats._kept_grids.values())


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_a_repeated_sampling_is_the_first(ndim, mode, align_corners):
    source = image(SIZES[ndim])
    options = {"mode": mode, "align_corners": align_corners, "padding_mode": "border"}
    assert_repeats(lambda image, grid: sample(image, grid, **options), source, near_grid(SIZES[ndim]))
    assert grids_kept() == 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_sampling_in_every_dtype(dtype):
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    assert_repeats(sample, image((7, 10)).to(dtype), near_grid((7, 10), dtype=wide))
    assert grids_kept() == 1


@pytest.mark.parametrize(
    ("source", "grid"),
    [
        (image((7, 10)), near_grid((7, 10), batch=1)),
        (image((7, 10))[:1], near_grid((7, 10))),
        (image((7, 10)), near_grid((7, 10)).flatten(1, 2)),
        (image((7, 10)).half(), near_grid((7, 10), dtype=torch.float16)),
        (image((7, 10)).double(), near_grid((7, 10))),
    ],
)
def test_a_grid_that_is_converted_first_takes_the_long_way(source, grid):
    assert_repeats(sample, source, grid)
    assert grids_kept() == 0


def test_sampling_follows_the_memory_format_and_the_backend():
    grid = near_grid((7, 10))
    for _ in range(2):
        assert sample(image((7, 10)), grid).is_contiguous()
        found = sample(image((7, 10)).contiguous(memory_format=torch.channels_last), grid)
        assert found.is_contiguous(memory_format=torch.channels_last)
        assert_matches(sample(image((7, 10)), grid, backend="reference"), found, "backend")
    assert grids_kept() == 1


def test_bad_grids_are_refused_after_good_ones():
    source, grid = image((7, 10)), near_grid((7, 10))
    sample(source, grid)
    with pytest.raises(ShapeError, match="grid"):
        sample(source, grid[..., :1])
    with pytest.raises(DtypeError, match="grid"):
        sample(source, grid.long())
    with pytest.raises(OptionError, match="align_corners"):
        sample(source, grid, align_corners=0)
    with pytest.raises(DeviceError):
        sample(source, grid.to("meta"))
    with pytest.raises(DtypeError, match="torch.Tensor"):
        sample(source, grid.numpy())


@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")
def test_surroundings_that_watch_a_sampling_are_served_after_a_plain_call():
    source, grid = image((7, 10)), near_grid((7, 10))
    plain = sample(source, grid)
    (tangent,) = torch.func.jvp(lambda moved: sample(source, moved), (grid,), (torch.ones_like(grid),))[1:]
    assert tangent.abs().max() > 0
    assert_matches(torch.vmap(lambda one, at: sample(one[None], at[None])[0])(source, grid), plain, "backend")
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(sample(source, grid), plain)
    leaf = grid.clone().requires_grad_()
    (first,) = torch.autograd.grad(sample(source, leaf).square().sum(), leaf, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), leaf)
    assert second.isfinite().all()
    assert second.abs().max() > 0


def test_there_is_an_end_to_the_samplings_kept():
    for width in range(2, 2 * _repeats._MOST):
        sample(image((2, width), channels=1), near_grid((2, width)))
    assert 0 < len(_repeats._kept_grids) <= _repeats._MOST
