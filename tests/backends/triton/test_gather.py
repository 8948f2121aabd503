"""The image's gradient under a matrix: each pixel finds all samples that read it, whatever the matrix.

Held against the scattered gradient, which needs no search: it computes the same positions bit for bit, so that samples
on the lattice, and those that rounding moves far near the horizon, fall on the same pixels.
"""

import itertools
import math

import pytest
import torch

from support import generators
from support.tolerances import assert_matches, assert_same
from unwarp import padding
from unwarp.backends.triton import launch, memory, problem

# The interpreter computes with numpy, which warns of what a GPU does silently.
pytestmark = pytest.mark.filterwarnings("ignore:(invalid value|overflow|divide by zero) encountered:RuntimeWarning")

KINDS = {
    "shrunk": lambda ndim, drawn: 12 * identity(ndim) + drawn,
    "magnified": lambda ndim, drawn: 0.05 * drawn,
    "turned": lambda ndim, drawn: drawn,
    "flipped": lambda ndim, drawn: 0.2 * drawn - identity(ndim),
    "on the lattice": lambda ndim, drawn: 2 * identity(ndim) + 0.5 * (torch.arange(ndim + 1.0) == ndim),
    "singular": lambda ndim, drawn: drawn[:, :1] * drawn[:1],
    "nearly singular": lambda ndim, drawn: drawn[:, :1] * drawn[:1] + 1e-6 * drawn,
    "a point": lambda ndim, drawn: drawn * (torch.arange(ndim + 1.0) == ndim),
    "moved away": lambda ndim, drawn: identity(ndim) + 9 * drawn * (torch.arange(ndim + 1.0) == ndim),
    "huge": lambda ndim, drawn: 1e18 * drawn,
}
ROWS = {
    "affine": None,
    "projective": lambda drawn: 0.05 * drawn + (torch.arange(len(drawn)) == len(drawn) - 1),
    "crossing the horizon": lambda drawn: drawn,
}


def identity(ndim):
    return torch.eye(ndim, ndim + 1)


def matrix(kind, rows, ndim, seed):
    drawn = torch.randn(ndim + 1, ndim + 1, generator=generators.generator(seed))
    linear = KINDS[kind](ndim, drawn[:ndim])
    return linear if ROWS[rows] is None else torch.cat([linear, ROWS[rows](drawn[ndim])[None]])


def both_ways(theta, size, out, *, mode, kernel=1, aligned=False, device, last=False):
    """The image's gradient, as it is computed and scattered."""
    order = memory._format(len(size) + 2, last=last)
    theta = theta.to(device)
    image = torch.empty(1, 2, *size, dtype=theta.dtype, device=device).contiguous(memory_format=order)
    fill = torch.zeros(2, dtype=theta.dtype, device=device) if mode == "fill" else None
    options = problem.Options(kernel, -0.5 if kernel == 2 else 0.0, padding.MODES.index(mode), fill, aligned)
    points = problem.Points(problem.MATRIX, theta, out, ())
    given = torch.randn(len(theta), 2, *out, generator=generators.generator(9), dtype=theta.dtype).to(device)
    found, _ = launch.run_backward(given, image, points, options, image_needed=True, theta_needed=False)
    tile = launch._tile(out, 2, taps=problem.taps(image, options), sums=1, last=False)
    expected, _ = launch._scatter(given, image.contiguous(), points, options, None, True, False, tile, last=False)
    return found, expected


def cases(ndim):
    """Every kind of matrix with every kind of last row, the paddings and kernels in turn."""
    turns = itertools.cycle(itertools.product((1, 2, 0), padding.MODES))
    for seed, (rows, kind) in enumerate(itertools.product(ROWS, KINDS)):
        kernel, mode = next(turns)
        yield pytest.param(kind, rows, kernel if ndim < 3 else kernel % 2, mode, seed, id=f"{kind}, {rows}, {mode}")


@pytest.mark.parametrize(("kind", "rows", "kernel", "mode", "seed"), [*cases(2)])
def test_every_pixel_finds_its_samples(kind, rows, kernel, mode, seed, device):
    theta = matrix(kind, rows, 2, seed)[None]
    found, expected = both_ways(theta, (3, 4), (3, 5), mode=mode, kernel=kernel, aligned=seed % 2 == 1, device=device)
    assert_matches(found, expected, "backend")


@pytest.mark.parametrize(
    ("kind", "rows", "mode"),
    [
        ("turned", "affine", "border"),
        ("magnified", "projective", "border"),
        ("turned", "crossing the horizon", "border"),
        ("turned", "crossing the horizon", "zeros"),
        ("flipped", "affine", "reflection"),
    ],
)
def test_in_three_dimensions(kind, rows, mode, device):
    found, expected = both_ways(matrix(kind, rows, 3, 1)[None], (2, 3, 2), (2, 2, 3), mode=mode, device=device)
    assert_matches(found, expected, "backend")


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("mode", ["border", "reflection"])
def test_in_one_dimension(mode, rows, device):
    found, expected = both_ways(matrix("turned", rows, 1, 2)[None], (7,), (9,), mode=mode, aligned=True, device=device)
    assert_matches(found, expected, "backend")


@pytest.mark.parametrize(
    ("mode", "size"), [("border", (1, 1)), ("border", (1, 5)), ("border", (2, 2)), ("reflection", (2, 1))]
)
def test_images_without_an_inside(mode, size, device):
    theta = matrix("turned", "affine", 2, 3)[None]
    found, expected = both_ways(theta, size, (3, 3), mode=mode, aligned=True, device=device)
    assert_matches(found, expected, "backend")


@pytest.mark.parametrize("mode", ["zeros", "border", "circular"])
@pytest.mark.parametrize("rows", [2, 3])
@pytest.mark.parametrize("entry", [math.nan, math.inf, 1e38])
def test_entries_without_bound(entry, rows, mode, device):
    """As a denominator, infinity puts every sample ahead at the centre of the image, which then is read by all."""
    theta = torch.eye(rows, 3).repeat(rows, 1, 1)
    theta[range(rows), range(rows), 2 - torch.arange(rows)] = entry
    found, expected = both_ways(theta, (3, 3), (2, 3), mode=mode, device=device)
    assert_matches(found / max(1, expected.abs().max()), expected / max(1, expected.abs().max()), "backend")


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("mode", ["border", "reflection"])
def test_in_either_memory_order_and_with_offsets_of_64_bits(mode, last, monkeypatch, device):
    monkeypatch.setattr(problem, "_WIDE", 1)
    theta = torch.stack([matrix("turned", "projective", 2, seed) for seed in (4, 5)])
    found, expected = both_ways(theta, (4, 5), (3, 4), mode=mode, device=device, last=last)
    assert found.is_contiguous(memory_format=memory._format(4, last=last))
    assert_matches(found, expected, "backend")


def test_in_double_precision(device):
    theta = matrix("turned", "crossing the horizon", 2, 6)[None].double()
    found, expected = both_ways(theta, (4, 5), (3, 4), mode="border", device=device)
    assert_matches(found, expected, "backend")


@pytest.mark.parametrize("mode", padding.MODES)
def test_what_is_left_to_be_scattered(mode, device):
    """Maps without a bound worth searching, under the paddings that repeat the image; no other."""
    theta = torch.eye(3).repeat(4, 1, 1).to(device)
    theta[1, :2] *= 30
    theta[2, 2, 0] = 1
    theta[3, 0, 0] = math.nan
    image = torch.zeros(1, 1, 4, 5, device=device)
    fill = torch.zeros(1, device=device) if mode == "fill" else None
    options = problem.Options(1, 0.0, padding.MODES.index(mode), fill, False)
    points = problem.Points(problem.MATRIX, theta, (4, 5), ())
    _, left_over = launch._gather(torch.ones(4, 1, 4, 5, device=device), image, points, options, last=False)
    if mode in ("reflection", "circular"):
        assert left_over.tolist() == [0, 1, 1, 1]
    else:
        assert left_over is None


@pytest.mark.parametrize("mode", ["border", "reflection"])
def test_repeats_bit_for_bit(mode, device):
    """Under reflection the first warp is collected and the second scattered, in integers."""
    theta = torch.stack([matrix("turned", rows, 2, 8) for rows in ("projective", "crossing the horizon")])
    size, out = ((2, 3), (2, 3)) if device == "cpu" else ((30, 40), (50, 60))
    torch.use_deterministic_algorithms(True)
    try:
        runs = [both_ways(theta, size, out, mode=mode, device=device)[0] for _ in range(2)]
    finally:
        torch.use_deterministic_algorithms(False)
    assert_same(runs[1], runs[0])
