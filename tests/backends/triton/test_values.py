"""Values and gradients against the reference: every kernel and padding, every source of points, every dimension."""

import math

import pytest
import torch

from support import generators
from support.tolerances import assert_same
from support.twins import assert_twins, gradients
from unwarp import kernels, padding
from unwarp.backends import Sampling
from unwarp.backends.triton import Triton

TRITON = Triton()
LINEAR = Sampling(kernels.resolve("bilinear"))


def sampling(kernel="bilinear", mode="zeros", *, device, align_corners=False, dtype=torch.float32, channels=2):
    fill = torch.linspace(-1, 2, channels, dtype=dtype, device=device) if mode == "fill" else None
    return Sampling(kernels.resolve(kernel), mode, fill, align_corners)


def matrices(count, ndim, *, device, projective=False, spread=0.4, dtype=torch.float32):
    """Matrices that turn, zoom out and shift, so that samples fall on all sides of the image."""
    drawn = torch.randn(count, ndim, ndim + 1, generator=generators.generator(3), dtype=torch.float64)
    affine = 1.3 * torch.eye(ndim, ndim + 1, dtype=torch.float64) + spread * drawn
    if projective:
        tilt = 0.1 * torch.randn(count, 1, ndim, generator=generators.generator(4), dtype=torch.float64)
        affine = torch.cat([affine, torch.cat([tilt, torch.ones(count, 1, 1, dtype=torch.float64)], -1)], 1)
    return affine.to(device, dtype)


def warp(size, how):
    return lambda backend, image, matrix: backend.warp_matrix(image, matrix, size, how)


@pytest.mark.parametrize("padding_mode", padding.MODES)
@pytest.mark.parametrize("kernel", ["nearest", "bilinear", "bicubic"])
def test_every_kernel_and_padding(kernel, padding_mode, device):
    image = generators.image((4, 5), batch=1, channels=2).to(device)
    how = sampling(kernel, padding_mode, device=device)
    assert_twins(warp((3, 4), how), TRITON, image, matrices(2, 2, device=device))


@pytest.mark.parametrize("padding_mode", ["reflection", "fill"])
def test_aligned_corners(padding_mode, device):
    image = generators.image((4, 5), batch=1, channels=2).to(device)
    how = sampling(mode=padding_mode, device=device, align_corners=True)
    assert_twins(warp((3, 4), how), TRITON, image, matrices(2, 2, device=device))


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_projective(ndim, device):
    size = (3, 4, 5)[3 - ndim :]
    image = generators.image(size, batch=1, channels=2).to(device)
    assert_twins(warp(size, LINEAR), TRITON, image, matrices(1, ndim, device=device, projective=True))


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_grids(ndim, device):
    size = (3, 4, 5)[3 - ndim :]
    image = generators.image(size, batch=1, channels=2).to(device)
    grid = generators.off_lattice_grid(size, size, align_corners=False, batch=2, dtype=torch.float32).to(device)
    how = sampling(mode="border", device=device)
    scale = [n / 2 for n in reversed(size)]
    assert_twins(lambda backend, image, grid: backend.sample_grid(image, grid, scale, how), TRITON, image, grid)


@pytest.mark.parametrize("out", [(6,), (2, 3, 1, 2)])
def test_grids_of_another_rank_than_the_image(out, device):
    image = generators.image((4, 5), batch=1, channels=2).to(device)
    grid = generators.off_lattice_grid((4, 5), out, align_corners=False, batch=1, dtype=torch.float32).to(device)
    evaluate = lambda backend, image, grid: backend.sample_grid(image, grid, (2.5, 2.0), LINEAR)  # noqa: E731
    assert_twins(evaluate, TRITON, image, grid)


@pytest.mark.parametrize("terms", [3, 17])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_bases(ndim, terms, device):
    size = (3, 4, 5)[3 - ndim :]
    image = generators.image(size, batch=1, channels=2).to(device)
    drawn = generators.generator(5)
    basis = torch.randn(math.prod(size), terms, generator=drawn).to(device)
    coefficients = torch.randn(2, terms, ndim, generator=drawn).to(device) / terms**0.5
    ratio = (1.1, 0.9, 1.3)[:ndim]
    evaluate = lambda backend, image, theta: backend.warp_basis(image, theta, basis, ratio, size, LINEAR)  # noqa: E731
    assert_twins(evaluate, TRITON, image, coefficients)


@pytest.mark.parametrize("padding_mode", ["zeros", "circular"])
@pytest.mark.parametrize("kernel", ["nearest", "bilinear"])
@pytest.mark.parametrize("ndim", [1, 3])
def test_one_and_three_dimensions(ndim, kernel, padding_mode, device):
    size = (3, 4, 5)[3 - ndim :]
    image = generators.image(size, batch=1, channels=1).to(device)
    how = sampling(kernel, padding_mode, device=device)
    assert_twins(warp(size[::-1], how), TRITON, image, matrices(1, ndim, device=device))


def test_tricubic(device):
    image = generators.image((2, 3, 4), batch=1, channels=1).to(device)
    assert_twins(warp((2, 2, 3), sampling("bicubic", device=device)), TRITON, image, matrices(1, 3, device=device))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("padding_mode", ["zeros", "border"])
def test_image_dtypes(padding_mode, dtype, device):
    points = torch.float64 if dtype == torch.float64 else torch.float32
    image = generators.image((4, 5), batch=1, channels=2, dtype=dtype).to(device)
    how = sampling(mode=padding_mode, device=device)
    theta = matrices(2, 2, device=device, dtype=points)
    result, grad_image, grad_theta = gradients(warp((3, 4), how), TRITON, image, theta)
    assert (result.dtype, grad_image.dtype, grad_theta.dtype) == (dtype, dtype, points)
    assert_twins(warp((3, 4), how), TRITON, image, theta)


def test_float64_theta_beside_a_float32_image(device):
    image = generators.image((4, 5), batch=1, channels=2).to(device)
    assert_twins(warp((3, 4), LINEAR), TRITON, image, matrices(1, 2, device=device, dtype=torch.float64))


def test_a_grid_in_float64_keeps_a_scale_that_float32_cannot_hold(device):
    image = generators.image((4, 5), batch=1, channels=1, dtype=torch.float64).to(device)
    grid = generators.off_lattice_grid((4, 5), (2, 3), align_corners=False, batch=1).to(device)
    evaluate = lambda backend, image, grid: backend.sample_grid(image, grid, (2 / 3, 1 / 7), LINEAR)  # noqa: E731
    assert_twins(evaluate, TRITON, image, grid)


@pytest.mark.parametrize("padding_mode", ["zeros", "border"])
@pytest.mark.parametrize("channels", [2, 35])
def test_channels_last_is_kept(channels, padding_mode, device):
    how = sampling(mode=padding_mode, device=device)
    image = generators.image((4, 5), batch=2, channels=channels).to(device)
    last = image.to(memory_format=torch.channels_last)
    theta = matrices(2, 2, device=device)
    result, grad_image, _ = gradients(warp((3, 4), how), TRITON, last, theta)
    assert result.is_contiguous(memory_format=torch.channels_last)
    assert grad_image.is_contiguous(memory_format=torch.channels_last)
    assert_twins(warp((3, 4), how), TRITON, last, theta)


def test_channels_last_in_three_dimensions(device):
    image = generators.image((2, 3, 4), batch=1, channels=3).to(device).to(memory_format=torch.channels_last_3d)
    theta = matrices(1, 3, device=device)
    assert warp((2, 3, 2), LINEAR)(TRITON, image, theta).is_contiguous(memory_format=torch.channels_last_3d)
    assert_twins(warp((2, 3, 2), LINEAR), TRITON, image, theta)


def test_images_that_are_no_block_of_memory(device):
    image = generators.image((8, 5), batch=2, channels=4).to(device)[:, ::2, 1::2]
    assert_twins(warp((3, 4), LINEAR), TRITON, image, matrices(2, 2, device=device))


def test_several_warps_of_each_image(device):
    image = generators.image((4, 5), batch=2, channels=1).to(device)
    assert_twins(warp((3, 4), LINEAR), TRITON, image, matrices(6, 2, device=device))
    assert_twins(warp((3, 4), sampling(mode="border", device=device)), TRITON, image, matrices(4, 2, device=device))


def test_expanded_batches(device):
    image = generators.image((4, 5), batch=1, channels=2).to(device)
    theta = matrices(1, 2, device=device)
    expected = warp((3, 4), LINEAR)(TRITON, image, theta)
    actual = warp((3, 4), LINEAR)(TRITON, image.expand(2, -1, -1, -1), theta.expand(2, -1, -1))
    assert_same(actual, expected.expand(2, -1, -1, -1))


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (33, 1), (7, 33)])
def test_sizes(size, device):
    image = generators.image(size, batch=1, channels=1).to(device)
    assert_twins(warp(size, LINEAR), TRITON, image, matrices(1, 2, device=device, spread=0.1))
    assert_twins(warp((2, 3), sampling(mode="reflection", device=device)), TRITON, image, matrices(1, 2, device=device))
