"""The promises at the edges: the lattice, NaN and infinity, the horizon, singular maps, memory that nobody wrote."""

import math

import pytest
import torch

from support import generators
from support.tolerances import assert_matches, assert_same
from support.twins import assert_twins, gradients
from unwarp import kernels, padding
from unwarp.backends import Sampling
from unwarp.backends.reference import Reference
from unwarp.backends.triton import Triton, autotune, launch, memory, problem

# The interpreter computes with numpy, which warns of what a GPU does silently.
pytestmark = pytest.mark.filterwarnings("ignore:(invalid value|overflow|divide by zero) encountered:RuntimeWarning")

TRITON = Triton()
LINEAR = Sampling(kernels.resolve("bilinear"))
BORDER = Sampling(kernels.resolve("bilinear"), "border")
CIRCULAR = Sampling(kernels.resolve("bilinear"), "circular")
FAR = 30.0
"""Times a matrix near the identity: across more copies of the image than are searched, so that some is scattered."""


def warp(size, how=LINEAR):
    return lambda backend, image, matrix: backend.warp_matrix(image, matrix, size, how)


def sample(how=LINEAR):
    return lambda backend, image, grid: backend.sample_grid(image, grid, (1.0, 1.0), how)


@pytest.mark.parametrize("padding_mode", padding.MODES)
@pytest.mark.parametrize("kernel", ["nearest", "bilinear", "bicubic"])
def test_the_identity_returns_its_input(kernel, padding_mode, device):
    image = generators.image((3, 4), batch=1, channels=1).to(device)
    fill = torch.zeros(1, device=device) if padding_mode == "fill" else None
    how = Sampling(kernels.resolve(kernel), padding_mode, fill)
    assert_same(warp((3, 4), how)(TRITON, image, torch.eye(2, 3, device=device)[None]), image)


@pytest.mark.parametrize("how", [LINEAR, BORDER], ids=["zeros", "border"])
@pytest.mark.parametrize("rows", [2, 3])
def test_gradients_on_the_lattice(rows, how, device):
    image = generators.image((3, 4), batch=1, channels=2).to(device)
    assert_twins(warp((3, 4), how), TRITON, image, torch.eye(rows, 3, device=device)[None])


def test_nearest_goes_to_the_even_pixel_halfway(device):
    image = generators.image((1, 6), batch=1, channels=1).to(device)
    halves = torch.arange(-3.0, 3.5, 0.5, device=device)
    grid = torch.stack([halves, torch.zeros_like(halves)], -1)[None, None]
    assert_twins(sample(Sampling(kernels.resolve("nearest"), "border")), TRITON, image, grid)


@pytest.mark.parametrize("padding_mode", padding.MODES)
@pytest.mark.parametrize("kernel", ["nearest", "bilinear", "bicubic"])
def test_positions_that_are_no_numbers_or_far_away(kernel, padding_mode, device):
    image = generators.image((3, 4), batch=1, channels=1).to(device)
    far = [math.nan, math.inf, -math.inf, 1e30, -1e30, 2.0**31, -(2.0**29), 3e4, 0.3]
    grid = torch.tensor([[[[x, 0.2] for x in far], [[0.2, y] for y in far]]], device=device)
    fill = torch.full((1,), 7.0, device=device) if padding_mode == "fill" else None
    assert_twins(sample(Sampling(kernels.resolve(kernel), padding_mode, fill)), TRITON, image, grid)


@pytest.mark.parametrize("entry", [math.nan, math.inf])
def test_matrices_that_are_not_finite(entry, device):
    image = generators.image((3, 4), batch=1, channels=1).to(device)
    theta = torch.eye(2, 3, device=device).repeat(2, 1, 1)
    theta[1, 0, 2] = entry
    assert_twins(warp((3, 4)), TRITON, image, theta)


def test_behind_the_horizon(device):
    image = generators.image((3, 4), batch=1, channels=1).to(device)
    theta = torch.eye(3, device=device)[None].clone()
    theta[0, 2] = torch.tensor([0.9, 0.3, 0.2])
    assert_twins(warp((3, 4), BORDER), TRITON, image, theta)


@pytest.mark.parametrize("kernel", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize(
    "linear",
    [
        [[0.0, 0.0], [0.0, 0.0]],
        [[0.4, 0.0], [0.0, 0.0]],
        [[0.3, 0.6], [0.2, 0.4]],
        [[0.0, 0.3], [0.0, 0.0]],
        [[0.31, 0.02], [-0.01, 0.24]],
        [[-2.6, 0.4], [0.7, 3.1]],
        [[0.0, -1.1], [0.9, 0.0]],
    ],
    ids=["point", "row", "line", "column", "magnified", "shrunk", "turned"],
)
def test_every_affine_map_finds_all_samples_of_a_pixel(linear, kernel, device):
    image = generators.image((3, 4), batch=1, channels=1).to(device)
    theta = torch.cat([torch.tensor(linear), torch.tensor([[0.17], [-0.23]])], 1)[None].to(device)
    assert_twins(warp((3, 5), Sampling(kernels.resolve(kernel))), TRITON, image, theta)


def test_a_singular_map_in_three_dimensions(device):
    image = generators.image((2, 3, 2), batch=1, channels=1).to(device)
    theta = torch.tensor([[[0.5, 0.1, 0.2, 0.1], [0.1, 0.5, 0.3, 0.1], [0.6, 0.6, 0.5, -0.1]]], device=device)
    assert_twins(warp((2, 2, 3)), TRITON, image, theta)


@pytest.fixture
def poisoned(monkeypatch):
    """Memory that nobody wrote holds NaN, or an improbable number."""

    def made(*shape, **options):
        tensor = empty(*shape, **options)
        return tensor.fill_(math.nan if tensor.is_floating_point() else 77)

    empty = torch.empty
    monkeypatch.setattr(torch, "empty", made)
    assert torch.empty(1).isnan().all()
    assert memory.torch.empty is launch.torch.empty is made


@pytest.mark.usefixtures("poisoned")
@pytest.mark.parametrize(
    ("how", "factor"), [(LINEAR, 1.0), (BORDER, 1.0), (CIRCULAR, 1.0), (CIRCULAR, FAR)],
    ids=["gathered", "edges", "cells", "scattered"],
)  # fmt: skip
@pytest.mark.parametrize("last", [False, True])
def test_all_that_is_returned_was_written(how, factor, last, device):
    order = torch.channels_last if last else torch.contiguous_format
    image = generators.image((5, 7), batch=1, channels=3).to(device).contiguous(memory_format=order)
    theta = factor * torch.tensor([[[0.5, 0.1, 0.2], [-0.1, 0.6, 3.0]]], device=device)
    results = gradients(warp((5, 6), how), TRITON, image, theta)
    assert not any(result.isnan().any() for result in results)


@pytest.mark.usefixtures("poisoned")
@pytest.mark.parametrize("points", ["grid", "basis"])
def test_all_that_other_maps_return_was_written(points, device):
    image = generators.image((5, 7), batch=1, channels=3).to(device)
    basis = torch.rand(5 * 6, 3, generator=generators.generator(1)).to(device)
    by_basis = lambda backend, image, theta: backend.warp_basis(image, theta, basis, (1.0, 1.0), (5, 6), LINEAR)  # noqa: E731
    evaluate, shape = (sample(), (2, 5, 6, 2)) if points == "grid" else (by_basis, (2, 3, 2))
    theta = torch.rand(shape, generator=generators.generator(2)).to(device)
    results = gradients(evaluate, TRITON, image, theta)
    assert not any(result.isnan().any() for result in results)


@pytest.fixture
def deterministic():
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("deterministic")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_deterministic_sums_match_the_others(dtype, device):
    image = generators.image((4, 5), batch=2, channels=2, dtype=dtype).to(device)
    theta = FAR * generators.theta_near_identity_matrix(4, dtype=dtype).to(device)
    theta[0] /= FAR
    first = gradients(warp((4, 5), CIRCULAR), TRITON, image, theta)
    torch.use_deterministic_algorithms(False)
    expected = gradients(warp((4, 5), CIRCULAR), Reference(), image, theta)
    assert_matches(first[1], expected[1], "backend")


@pytest.mark.usefixtures("deterministic")
@pytest.mark.parametrize(("how", "factor"), [(BORDER, 1.0), (CIRCULAR, FAR)], ids=["gathered", "scattered"])
def test_deterministic_results_repeat_bit_for_bit(how, factor, device):
    image = generators.image((16, 16) if device == "cuda" else (4, 4), batch=1, channels=2).to(device)
    theta = factor * generators.theta_near_identity_matrix(8 if device == "cuda" else 2).to(device)
    runs = [gradients(warp((64, 64) if device == "cuda" else (4, 4), how), TRITON, image, theta) for _ in range(3)]
    for run in runs[1:]:
        for actual, expected in zip(run, runs[0], strict=True):
            assert_same(actual, expected)


@pytest.mark.usefixtures("deterministic")
def test_deterministic_sums_of_what_is_not_finite_or_of_any_size(device):
    image = torch.zeros(1, 5, 2, 4, device=device, requires_grad=True)
    grid = torch.tensor([[[[-1.25, 0.0], [-0.25, 0.0], [1.25, 0.0]]]], device=device)
    result = sample(BORDER)(TRITON, image, grid)
    upstream = torch.zeros_like(result)
    upstream[0, :, 0] = torch.tensor(
        [[math.inf, 1.0, 1.0], [math.nan, 1.0, 0.0], [1e-38, 1e-38, 0.0], [1e30, 1e30, 1e30], [0.0, 0.0, 0.0]]
    )
    (ours,) = torch.autograd.grad(result, image, upstream)
    expected = sample(BORDER)(Reference(), image, grid)
    (theirs,) = torch.autograd.grad(expected, image, upstream)
    assert_matches(ours, theirs, "backend")


def test_sums_in_any_order_are_the_same(deterministic, device):
    """What makes them repeat on a GPU: the upstream of two warps swapped, the same bits come out."""
    image = generators.image((4, 5), batch=1, channels=1).to(device)
    theta = FAR * generators.theta_near_identity_matrix(3).to(device)
    options = problem.Options(1, 0.0, padding.MODES.index("circular"), None, False)
    upstream = generators.image((4, 5), batch=3, channels=1, seed=2).to(device) * 1e3
    results = []
    for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0]):
        points = problem.Points(problem.MATRIX, theta[order], (4, 5), ())
        given = upstream[order]
        results.append(launch.run_backward(given, image, points, options, image_needed=True, theta_needed=False)[0])
    assert_same(results[1], results[0])
    assert_same(results[2], results[0])


@pytest.mark.parametrize(
    ("how", "last"), [(LINEAR, False), (LINEAR, True), (BORDER, False)], ids=["planes", "last", "edges"]
)
def test_every_tile_near_the_tables_computes_the_same(how, last, monkeypatch, device):
    """What autotuning may choose."""
    order = torch.channels_last if last else torch.contiguous_format
    image = generators.image((5, 9), batch=1, channels=5).to(device).contiguous(memory_format=order)
    theta = generators.theta_near_identity_matrix(1).to(device)
    tried = []

    def choose(case, candidates, run):
        tried.extend(candidates()[1:])
        results = [run(tile) for tile in candidates()]
        for result in results[1:]:
            for actual, expected in zip(flat(result), flat(results[0]), strict=True):
                assert_matches(actual, expected, "backend")
        return candidates()[-1]

    monkeypatch.setattr(autotune, "applies", lambda image: True)
    monkeypatch.setattr(autotune, "choose", choose)
    assert_twins(warp((4, 20), how), TRITON, image, theta)
    assert len(tried) >= 6


def flat(result):
    return [result] if isinstance(result, torch.Tensor) else [part for part in result if part.numel()]
