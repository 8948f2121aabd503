"""The table of numerics, cell by cell: half precision, undefined and infinite positions, and never a crash."""

import itertools
import json
import os
import subprocess
import sys
from functools import cache

import pytest
import torch

from support import numerics_cells
from support.active_backends import every_backend, exact_backends
from support.generators import image
from support.numerics_cells import CELLS, OPS, covered
from support.tolerances import assert_matches, assert_same
from unwarp import available_backends, sample, warp
from unwarp.padding import MODES

HALVES = pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
TURN = torch.tensor([[[0.9, -0.2, 0.013], [0.17, 1.05, -0.031]]])


BACKENDS = [name for name in ("reference", "aten", "native") if available_backends()[name] is None]


@cache
def outcome() -> dict[int, list[str]]:
    """What is wrong with each cell, in a process of its own; after a crash another one takes the cells that follow."""
    found: dict[int, list[str]] = {}
    first = 0
    for _ in range(5):
        process = subprocess.run(
            [sys.executable, numerics_cells.__file__, str(first), *BACKENDS],
            capture_output=True,
            text=True,
            timeout=100,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
            check=False,
        )
        lines = [json.loads(line) for line in process.stdout.splitlines()]
        found.update({line["end"]: line["problems"] for line in lines if "end" in line})
        if process.returncode == 0:
            return found
        assert lines, process.stderr
        first = lines[-1]["start"] + 1
        found[first - 1] = [f"the process died with {process.returncode}: {process.stderr[-500:]}"]
    return found


@every_backend
@pytest.mark.parametrize("padding", MODES)
@pytest.mark.parametrize("op", OPS)
def test_undefined_and_infinite_positions(op, padding, backend):
    numbers = {
        number: cell
        for number, (name, cell) in enumerate(itertools.product(BACKENDS, CELLS))
        if (name, cell.op, cell.padding) == (backend, op, padding)
    }
    assert len(numbers) == 21
    if not any(covered(cell, backend) for cell in numbers.values()):
        assert not numbers.keys() & outcome().keys()
        return
    assert not {
        cell: outcome().get(number, "did not run") for number, cell in numbers.items() if outcome().get(number, 1)
    }


@exact_backends
@HALVES
@pytest.mark.parametrize("size", [512, 2048])
def test_half_precision_is_the_float32_result_rounded_once(size, dtype, backend):
    """Positions in half would be off by a pixel at 2048; torch's own half kernels are garbage beyond 128."""
    source, out = image((size, size), batch=1, channels=1, dtype=dtype), (16, size)
    for theta in (TURN, TURN.to(dtype)):
        warped = warp(source, theta, "affine", out, backend=backend)
        expected = warp(source.float(), theta.float(), "affine", out, backend=backend)
        assert warped.dtype == dtype
        assert_matches(warped, expected.to(dtype), "rounded")


@exact_backends
@pytest.mark.parametrize("size", [512, 2048])
def test_float32_is_as_near_to_float64_as_its_positions_allow(size, backend):
    """Positions have 24 bits: an error of a few units in the last place, times a slope of at most 1 a pixel."""
    source, out = image((size, size), batch=1, channels=1), (16, size)
    exact = warp(source.double(), TURN.double(), "affine", out, backend=backend)
    error = (warp(source, TURN, "affine", out, backend=backend) - exact).abs().max()
    assert 0 < error < 4 * size * 2.0**-24


@exact_backends
@HALVES
def test_gradients_of_half_precision_are_those_of_float32_rounded_once(dtype, backend):
    source = image((512, 512), batch=1, channels=1, dtype=dtype)
    upstream = torch.randn(1, 1, 512, 512).to(dtype)
    found = []
    for cast in (dtype, torch.float32):
        leaves = source.to(cast).requires_grad_(), TURN.clone().requires_grad_()
        warped = warp(leaves[0], leaves[1], "affine", backend=backend)
        found.append(torch.autograd.grad(warped, leaves, upstream.to(cast)))
    (half_image, half_theta), (full_image, full_theta) = found
    assert half_image.dtype == dtype
    assert_matches(half_image, full_image.to(dtype), "rounded")
    scale = full_theta.abs().max()
    assert_matches(half_theta / scale, full_theta / scale, "backend")


@exact_backends
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_a_float64_theta_beside_any_image_is_kept_in_float64(dtype, backend):
    source, theta = image((2048, 3), batch=1, channels=1, dtype=dtype), TURN.double()
    expected = warp(source.double(), theta, "affine", backend="reference").to(dtype)
    kind = "backend" if dtype == torch.float32 else "rounded"
    assert_matches(warp(source, theta, "affine", backend=backend), expected, kind)


@exact_backends
def test_a_half_grid_is_read_as_what_it_says(backend):
    source, grid = image((64, 64), dtype=torch.float32), (torch.rand(2, 50, 2) * 2.2 - 1.1).half()
    assert_same(sample(source, grid, backend=backend), sample(source, grid.float(), backend=backend))


@every_backend
def test_the_same_bits_from_run_to_run(backend):
    source, theta = image((63, 65), batch=1), TURN.repeat(8, 1, 1)
    runs = []
    for _ in range(3):
        leaves = source.clone().requires_grad_(), theta.clone().requires_grad_()
        warped = warp(*leaves, "affine", backend=backend)
        runs.append((warped, *torch.autograd.grad(warped.square().sum(), leaves)))
    for run in runs[1:]:
        for what, again, first in zip(("values", "image gradient", "theta gradient"), run, runs[0], strict=True):
            assert_same(again, first, what=what)


def test_integer_images_have_no_nan_and_take_zero():
    source = image((5, 6), dtype=torch.uint8)
    grid = torch.tensor([[[float("nan"), 0.0], [0.1, 0.2], [float("inf"), 0.0]]])
    for padding in ("zeros", "border", "reflection"):
        sampled = sample(source, grid, mode="nearest", padding_mode=padding)
        assert (sampled[..., 0] == 0).all()
        assert (sampled[..., 1] == source[..., 2, 3]).all()


@every_backend
def test_finite_positions_whose_sum_overflows_are_defined(backend):
    source, grid = image((5, 5)), torch.tensor([[[1e38, 1e38], [-1e38, -1e38]]])
    assert not sample(source, grid, backend=backend).any()
    corners = sample(source, grid, padding_mode="border", backend=backend)
    assert_same(corners, source[..., (4, 0), (4, 0)])
