"""CPAB: the exact flow of a continuous piecewise-affine field, and the fields it is made of."""

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from scipy.interpolate import LinearNDInterpolator

import unwarp
from support.families import DIMENSIONS, points_inside
from support.generators import generator
from support.tolerances import assert_matches
from unwarp.errors import OptionError
from unwarp.transforms import Diffeomorphic
from unwarp.transforms.tessellation import locate, mesh_of
from unwarp.transforms.velocity_space import ring_weights, velocity_basis


def draw(transform, scale=0.3, seed=0):
    return scale * torch.randn(transform.theta_shape, generator=generator(seed), dtype=torch.float64)


@pytest.mark.parametrize("ndim", DIMENSIONS)
def test_agrees_with_an_ode_solver(ndim):
    transform = Diffeomorphic((3,) * ndim, ndim=ndim, zero_boundary=True).double()
    theta, points = draw(transform), points_inside(ndim, 6)
    nodes = transform.nodes().numpy()
    velocities = (transform.basis_vectors @ theta).reshape(-1, ndim).numpy()
    if ndim == 1:
        field = lambda x: np.stack([np.interp(x[:, 0], nodes[:, 0], velocities[:, 0])], axis=-1)  # noqa: E731
    else:
        # Not a Delaunay mesh of the nodes alone: the field is symmetric only on ours.
        everywhere = ring_weights(transform.boxes) @ torch.from_numpy(velocities)

        def field(x):
            points = torch.from_numpy(x)
            found = locate(points, mesh_of(transform.boxes, points))
            return (found.weights[..., None] * everywhere[found.nodes]).sum(-2).numpy()

    solved = [
        solve_ivp(lambda _, x: field(x[None])[0], (0, 1), start.numpy(), rtol=1e-9, atol=1e-10, max_step=0.02).y[:, -1]
        for start in points
    ]
    expected = torch.from_numpy(np.stack(solved))
    assert (expected - points).abs().max() > 0.05
    torch.testing.assert_close(transform(theta, points), expected, atol=2e-6, rtol=0)  # the solver stumbles over kinks


def test_the_field_is_affine_on_the_triangles_around_each_centre():
    transform = Diffeomorphic((1, 1), zero_boundary=False)
    theta = draw(transform)
    corners_and_centre = transform.nodes().numpy()
    field = LinearNDInterpolator(corners_and_centre, theta.reshape(-1, 2).numpy())
    points = points_inside(2, 50)
    small_step = 1e-6
    velocity = (transform(small_step * theta, points) - points) / small_step
    torch.testing.assert_close(velocity, torch.from_numpy(field(points.numpy())), atol=1e-6, rtol=0)


@pytest.mark.parametrize("ndim", DIMENSIONS)
def test_follows_one_matrix_exponential_where_the_field_is_affine(ndim):
    transform = Diffeomorphic((2,) * ndim, ndim=ndim)
    linear = 0.4 * torch.randn(ndim, ndim, generator=generator(1), dtype=torch.float64)
    shift = 0.1 * torch.randn(ndim, generator=generator(2), dtype=torch.float64)
    theta = (transform.nodes() @ linear.mT + shift).flatten()
    points = 0.5 * points_inside(ndim, 30)
    augmented = torch.zeros(ndim + 1, ndim + 1, dtype=torch.float64)
    augmented[:ndim, :ndim], augmented[:ndim, ndim] = linear, shift
    flow = torch.linalg.matrix_exp(augmented)
    assert_matches(transform(theta, points), points @ flow[:ndim, :ndim].mT + flow[:ndim, ndim], "oracle")


@pytest.mark.parametrize("ndim", DIMENSIONS)
def test_the_inverse_holds_for_large_thetas(ndim):
    transform = Diffeomorphic(ndim=ndim, stages=32).double()
    theta, points = draw(transform, scale=0.4), points_inside(ndim, 500)
    back = transform(transform.inverse(theta), transform(theta, points))
    torch.testing.assert_close(back, points, atol=1e-9, rtol=0)


def test_half_the_time_twice_is_the_whole():
    transform = Diffeomorphic(stages=32).double()
    theta, points = draw(transform), points_inside(2, 200)
    half = transform(theta / 2, transform(theta / 2, points))
    torch.testing.assert_close(half, transform(theta, points), atol=1e-9, rtol=0)


@pytest.mark.parametrize("ndim", DIMENSIONS)
def test_zero_boundary_keeps_the_boundary(ndim):
    transform = Diffeomorphic((2,) * ndim, ndim=ndim, zero_boundary=True).double()
    theta = draw(transform, scale=0.5)
    points = points_inside(ndim, 30)
    points[:, 0] = points[:, 0].sign()
    assert_matches(transform(theta, points), points, "oracle")
    assert transform(theta, points_inside(ndim, 500)).abs().max() < 1


@pytest.mark.parametrize("zero_boundary", [False, True])
@pytest.mark.parametrize("ndim", [2, 3])
def test_volume_preserving_maps_have_determinant_one(ndim, zero_boundary):
    transform = Diffeomorphic((3,) * ndim, ndim=ndim, zero_boundary=zero_boundary, volume_preserving=True)
    # Away from the border: what leaves the square meets a field that goes on without that constraint.
    theta, points = draw(transform, scale=0.2), 0.4 * points_inside(ndim, 40)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda x: transform(theta, x[None])[0]))(points)
    assert (transform(theta, points) - points).abs().max() > 0.02
    determinants = torch.linalg.det(jacobian)
    torch.testing.assert_close(determinants, torch.ones_like(determinants), atol=1e-5, rtol=0)  # float32 basis


@pytest.mark.parametrize("ndim", DIMENSIONS)
def test_maps_have_no_folds(ndim):
    transform = Diffeomorphic((3,) * ndim, ndim=ndim, stages=32).double()
    theta, points = draw(transform, scale=0.6), points_inside(ndim, 200)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda x: transform(theta, x[None])[0]))(points)
    assert (torch.linalg.det(jacobian) > 0).all()


@pytest.mark.parametrize("volume_preserving", [False, True])
@pytest.mark.parametrize("zero_boundary", [False, True])
def test_the_basis_is_orthonormal(zero_boundary, volume_preserving):
    basis = velocity_basis((3, 3), zero_boundary=zero_boundary, volume_preserving=volume_preserving)
    assert basis.shape[1] > 0
    assert_matches(basis.mT @ basis, torch.eye(basis.shape[1], dtype=torch.float64), "oracle")


def test_constraints_that_leave_nothing_are_refused():
    with pytest.raises(OptionError, match="no field but zero"):
        Diffeomorphic((1, 1), zero_boundary=True, volume_preserving=True)
    with pytest.raises(OptionError, match="tessellation: expected 2 counts"):
        Diffeomorphic((3,))
    with pytest.raises(OptionError, match="stages"):
        Diffeomorphic(stages=0)


def test_a_constant_field_shifts_everything_also_beyond_the_square():
    transform = Diffeomorphic((2, 2)).double()
    theta = torch.tensor([0.3, -0.7], dtype=torch.float64).repeat(len(transform.nodes()))
    points = 3 * points_inside(2, 50)
    assert_matches(transform(theta, points), points + theta[:2], "oracle")


def test_it_has_a_shape_on_the_meta_device():
    transform = Diffeomorphic()
    source, theta = torch.zeros(1, 3, 8, 9, device="meta"), transform.identity()[None].to("meta")
    assert unwarp.warp(source, theta, transform, (4, 5)).shape == (1, 3, 4, 5)
