"""The C++ gradients for large images of a few channels, block by block of the output, against the reference.

A block is 64 x 16 samples. It takes what the other routes do not: more pixels than twice the samples, or one image for
several threads.
"""

import math

import pytest
import torch

from support.generators import generator, image, off_lattice_grid
from support.native_cases import NATIVE, assert_same, evaluate, needs_native, sampling
from support.tolerances import assert_matches

pytestmark = needs_native

SIZE = (50, 60)  # its box is never too large for scratch memory
OUT = (17, 70)  # blocks at the right and the lower edge are smaller


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"], autouse=True)
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def rising(size, *, batch=2, channels=3):
    """Planes whose slope is the same on both sides of every pixel that a rounded position may cross."""
    plane = torch.linspace(0, 1, size[0])[:, None] - torch.linspace(0, 2, size[1])
    return plane * torch.linspace(1, 2, batch * channels).view(batch, channels, 1, 1)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("mode", ["zeros", "border", "reflection", "fill"])
def test_a_grid_that_reaches_outside(mode, align_corners):
    grid = off_lattice_grid(SIZE, OUT, align_corners=align_corners, dtype=torch.float32)
    scale = tuple((n - 1) / 2 if align_corners else n / 2 for n in reversed(SIZE))
    assert_same("sample_grid", image(SIZE), grid, scale, sampling("bilinear", mode, align_corners=align_corners))


@pytest.mark.parametrize("channels", [2, 3, 4])
@pytest.mark.parametrize("size", [SIZE, (90, 123)], ids=["box", "samples too far apart for a box"])
def test_any_number_of_channels(size, channels):
    grid = off_lattice_grid(size, OUT, align_corners=False, reach=0, dtype=torch.float32)
    source, scale = image(size, channels=channels), (size[1] / 2, size[0] / 2)
    assert_same("sample_grid", source, grid, scale, sampling("bilinear", "zeros", channels=channels))


@pytest.mark.parametrize("angle", [0.0, 0.2, math.pi / 4, math.pi / 2, 3.0])
@pytest.mark.parametrize("zoom", [0.3, 1.0, 2.5])
def test_rotations_and_zooms(zoom, angle):
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    theta = torch.cat([zoom * turn, torch.tensor([[0.37], [-1.61]])], 1).expand(2, 2, 3)
    assert_same("warp_matrix", rising((120, 150)), theta, (33, 130), sampling("bilinear", "zeros"))


def test_projective_maps():
    theta = torch.eye(3).repeat(2, 1, 1) + 0.1 * torch.randn(2, 3, 3, generator=generator(2))
    theta[:, 2] = torch.tensor([1e-3, -2e-3, 1.0])
    assert_same("warp_matrix", rising((120, 150)), theta, (33, 130), sampling("bilinear", "zeros"))


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("terms", [3, 16])
def test_a_basis(terms, transposed):
    basis = torch.randn(math.prod(OUT), terms, generator=generator(3))
    basis = basis.mT.contiguous().mT if transposed else basis
    coefficients = torch.randn(2, terms, 2, generator=generator(4))
    assert_same("warp_basis", rising(SIZE), coefficients, basis, (0.8, 2.1), OUT, sampling("bilinear", "zeros"))


def test_several_warps_an_image():
    grid = off_lattice_grid(SIZE, OUT, align_corners=False, batch=3, dtype=torch.float32)
    source = image((130, 140), batch=1)
    assert_same("sample_grid", source, grid, (70, 65), sampling("bilinear", "border"))


def test_bands_of_one_image():
    grid = off_lattice_grid(SIZE, (150, 163), align_corners=False, batch=1, dtype=torch.float32)
    assert_same("sample_grid", image(SIZE, batch=1), grid, (30, 25), sampling("bilinear", "zeros"))
    theta = torch.tensor([[[0.8, -0.6, 3.3], [0.6, 0.8, -2.2]]])
    arguments = ("warp_matrix", image((300, 310), batch=1), theta, (150, 163), sampling("bilinear", "zeros"))
    found = evaluate(NATIVE, *arguments)
    torch.set_num_threads(1)
    for banded, whole in zip(found, evaluate(NATIVE, *arguments), strict=True):
        scale = whole.abs().max()
        assert_matches(banded / scale, whole / scale, "backend")


@pytest.mark.parametrize("lost", [math.nan, math.inf])
def test_positions_without_a_value_give_the_image_nothing(lost):
    grid = off_lattice_grid(SIZE, OUT, align_corners=False, dtype=torch.float32)
    grid[0, 3, 5:40, 1] = lost
    grid[1, 16] = lost
    assert_same("sample_grid", image(SIZE), grid, (30, 25), sampling("bilinear", "reflection"))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("batch", [1, 2])
def test_half_precision_is_the_float32_result_rounded_once(batch, dtype):
    source = image(SIZE, batch=batch, dtype=dtype)
    out = OUT if batch > 1 else (150, 163)
    grid = off_lattice_grid(SIZE, out, align_corners=False, batch=batch, dtype=torch.float32)
    rest = ((30, 25), sampling("bilinear", "reflection"))
    half = evaluate(NATIVE, "sample_grid", source, grid, *rest)
    upstream = torch.randn(half[0].shape, generator=generator(7), dtype=torch.float64).to(dtype).float()
    wide, theta = source.float().requires_grad_(), grid.clone().requires_grad_()
    expected = NATIVE.sample_grid(wide, theta, *rest)
    gradients = torch.autograd.grad(expected, (wide, theta), upstream)
    assert_matches(half[0], expected.detach().to(dtype), "rounded")
    assert_matches(half[1], gradients[0].to(dtype), "rounded")
    assert_matches(half[2], gradients[1], "backend")
