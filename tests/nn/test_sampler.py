"""Sampling as a module: its options are those of the functions, its kernel is part of the network."""

import pytest
import torch

import unwarp
from support.generators import image, off_lattice_grid
from unwarp.kernels import Gaussian
from unwarp.nn import Sampler

OPTIONS = [
    {},
    {"mode": "nearest", "padding_mode": "border"},
    {"mode": "bicubic", "padding_mode": "fill", "fill_value": [1.0, 2.0, 3.0], "align_corners": True},
    {"mode": "bilinear", "padding_mode": "circular", "antialias": True, "backend": "reference"},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_it_samples_and_warps_with_its_options(options):
    source, grid = image((5, 6)), off_lattice_grid((5, 6), (3, 4), align_corners=False, dtype=torch.float32)
    transform = unwarp.transforms.Affine()
    theta = 1.7 * transform.identity().expand(2, -1, -1)
    sampler = Sampler(**options)
    assert torch.equal(sampler(source, grid), unwarp.sample(source, grid, **options))
    assert torch.equal(sampler.warp(source, theta, transform, None), unwarp.warp(source, theta, transform, **options))
    assert torch.equal(sampler.warp(source, theta, transform, 4), unwarp.warp(source, theta, transform, 4, **options))


def test_a_learnable_kernel_is_trained_with_it():
    sampler = Sampler(mode=Gaussian(0.7, learnable=True))
    (width,) = sampler.parameters()
    sampler(image((5, 6)), off_lattice_grid((5, 6), (9,), align_corners=False, dtype=torch.float32)).sum().backward()
    assert width.grad.abs() > 0


def test_its_text_shows_the_options():
    assert "padding_mode='border'" in repr(Sampler(padding_mode="border"))
    assert repr(Sampler(mode=Gaussian(0.7))).count("Gaussian") == 1
