"""The oracle itself: its ops agree with one another, and what it holds in memory is right."""

import pytest
import torch

from support.generators import image, off_lattice_grid, theta_near_identity
from support.tolerances import assert_matches, assert_same
from unwarp import coordinates, warp
from unwarp.backends import Case, Sampling
from unwarp.backends.reference import Reference
from unwarp.kernels import MODES, resolve
from unwarp.padding import MODES as PADDINGS
from unwarp.transforms import Affine, Projective, create

REFERENCE = Reference()
SIZE_IN, SIZE_OUT = (4, 6, 5), (3, 4, 7)


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("family", [Affine, Projective])
def test_a_matrix_is_a_grid(family, ndim):
    transform, size_in, size_out = family(ndim), SIZE_IN[:ndim], SIZE_OUT[:ndim]
    matrix = transform.matrix(theta_near_identity(transform, batch=4))
    points = coordinates.centred_grid(size_out, dtype=torch.float64, device=None)
    lifted = torch.cat([points, torch.ones_like(points[..., :1])], -1)
    mapped = torch.einsum("tij,...j->t...i", matrix, lifted)
    rows = matrix if transform.projective else matrix[:, :ndim]
    source, chosen = image(size_in, dtype=torch.float64), Sampling(resolve("bilinear"), "border")
    by_grid = REFERENCE.sample_grid(source, mapped[..., :ndim] / mapped[..., ndim:], (1.0,) * ndim, chosen)
    assert_matches(REFERENCE.warp_matrix(source, rows, size_out, chosen), by_grid, "oracle")


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_a_basis_is_a_grid(ndim):
    size_in, size_out, ratio = SIZE_IN[:ndim], SIZE_OUT[:ndim], (0.9, 1.1, 1.3)[:ndim]
    points = coordinates.centred_grid(size_out, dtype=torch.float64, device=None)
    basis = torch.randn(points[..., 0].numel(), 5, dtype=torch.float64)
    coefficients = torch.randn(4, 5, ndim, dtype=torch.float64)
    displaced = points * torch.tensor(ratio, dtype=torch.float64) + (basis @ coefficients).reshape(4, *points.shape)
    source, chosen = image(size_in, dtype=torch.float64), Sampling(resolve("bilinear"), "reflection")
    by_grid = REFERENCE.sample_grid(source, displaced, (1.0,) * ndim, chosen)
    assert_matches(REFERENCE.warp_basis(source, coefficients, basis, ratio, size_out, chosen), by_grid, "oracle")


def test_warp_t_reads_image_t_n_over_t():
    source = torch.arange(3.0).view(3, 1, 1, 1).expand(3, 1, 4, 4)
    grid = torch.zeros(6, 1, 1, 2)
    sampled = REFERENCE.sample_grid(source, grid, (1.0, 1.0), Sampling(resolve("nearest"), "border"))
    assert sampled.flatten().tolist() == [0, 0, 1, 1, 2, 2]


def test_it_covers_every_case():
    for mode in MODES:
        for padding in PADDINGS:
            for ndim in (1, 2, 3):
                case = Case("grid", ndim, "xpu", torch.complex64, torch.float64, Sampling(resolve(mode), padding))
                assert REFERENCE.refuses(case) is None
    assert REFERENCE.missing() is None


@pytest.mark.parametrize("padding", PADDINGS)
def test_the_image_is_not_written_to(padding):
    source = image((5, 6))
    before, grid = source.clone(), off_lattice_grid((5, 6), (40,), align_corners=False, dtype=torch.float32)
    fill = torch.ones(3) if padding == "fill" else None
    REFERENCE.sample_grid(source, grid, (3.0, 2.5), Sampling(resolve("bilinear"), padding, fill))
    assert_same(source, before)


def test_the_slope_with_respect_to_the_image_is_the_transpose_of_the_sampling():
    """Sampling is linear in the image: <V(U), W> = <U, V^T(W)>."""
    grid = off_lattice_grid((5, 6), (40,), align_corners=False)
    for padding in PADDINGS:
        fill = torch.zeros(3) if padding == "fill" else None
        chosen = Sampling(resolve("bilinear"), padding, fill)
        source = image((5, 6), dtype=torch.float64).requires_grad_()
        sampled = REFERENCE.sample_grid(source, grid, (3.0, 2.5), chosen)
        weights = torch.randn_like(sampled)
        (adjoint,) = torch.autograd.grad(sampled, source, weights)
        assert_matches((sampled * weights).sum(), (source * adjoint).sum(), "oracle")


def test_a_transform_of_another_kind_goes_by_its_points():
    transform = create("diffeomorphic", 2)
    theta = theta_near_identity(transform)
    points = coordinates.regular_grid((4, 7), align_corners=False, dtype=torch.float64, device=None)
    source, chosen = image((5, 6), dtype=torch.float64), Sampling(resolve("bilinear"), "zeros")
    by_grid = REFERENCE.sample_grid(source, transform(theta, points), (3.0, 2.5), chosen)
    assert_matches(warp(source, theta, transform, (4, 7), backend="reference"), by_grid, "oracle")
