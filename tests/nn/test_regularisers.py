"""Loss terms on theta: zero where nothing is wrong, equal to their definition, and with a gradient that leads back."""

import math

import pytest
import torch

from support.families import CASES, WITHOUT_IDENTITY, default, small
from support.generators import theta_near_identity
from support.tolerances import assert_matches
from unwarp.errors import OptionError, UnsupportedError
from unwarp.nn import bending_energy, folding_penalty, identity_penalty, outside_penalty
from unwarp.transforms import Affine, Attention, Bounded, Polar, Projective, ThinPlateSpline, Translation

PENALTIES = (outside_penalty, identity_penalty, folding_penalty)
every_penalty = pytest.mark.parametrize("penalty", PENALTIES)


@every_penalty
@pytest.mark.parametrize(("family", "ndim"), CASES)
def test_the_start_costs_nothing(penalty, family, ndim):
    transform = default(family, ndim)
    if penalty is outside_penalty and family in WITHOUT_IDENTITY:
        assert penalty(transform.start()[None], transform) < 1e-6  # the rounding of cos and sin
    else:
        assert penalty(transform.start()[None], transform) == 0


@every_penalty
@pytest.mark.parametrize(("family", "ndim"), CASES)
def test_a_strong_theta_costs_and_has_a_gradient(penalty, family, ndim):
    transform = small(family, ndim)
    theta = theta_near_identity(transform, batch=8, spread=2.5).requires_grad_()
    cost = penalty(theta, transform, **({"margin": 4.0} if penalty is folding_penalty else {}))
    cost.backward()
    assert cost > 1e-3
    assert theta.grad.isfinite().all()
    if penalty is not folding_penalty or family not in ("translation", "rigid", "polar", "log_polar", "inverse"):
        assert theta.grad.any()


def test_outside_is_the_distance_from_the_image():
    shifts = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, -3.0]], dtype=torch.float64)
    lattice = torch.linspace(-1, 1, 9, dtype=torch.float64)
    beyond = (lattice + 2).clamp_min(0)
    huber = torch.where(beyond < 1, 0.5 * beyond**2, beyond - 0.5).mean()
    costs = torch.stack([outside_penalty(one[None], Translation()) for one in shifts])
    assert_matches(costs, torch.stack([torch.zeros_like(huber), huber, huber]), "oracle")
    assert_matches(outside_penalty(shifts, Translation()), costs.mean(), "oracle")


def test_a_grid_that_lies_inside_costs_nothing():
    assert outside_penalty(torch.tensor([[0.5, 0.5, -0.5]]), Attention()) == 0


@pytest.mark.parametrize("shift", [3.0, 50.0, -1e4])
def test_outside_leads_back_from_anywhere(shift):
    theta = torch.tensor([[shift, 0.0]], requires_grad=True)
    outside_penalty(theta, Translation()).backward()
    assert theta.grad[0, 0].sign() == math.copysign(1, shift)
    assert theta.grad[0, 0].abs() > 0.9


def test_identity_is_the_mean_squared_way():
    theta = torch.tensor([[0.3, -0.4]], dtype=torch.float64)
    assert_matches(identity_penalty(theta, Translation()), torch.tensor(0.25, dtype=torch.float64), "oracle")
    zoom = torch.tensor([[2.0, 0, 0]], dtype=torch.float64)
    mean_square = torch.linspace(-1, 1, 9, dtype=torch.float64).square().mean()
    assert_matches(identity_penalty(zoom, Attention()), 2 * mean_square, "oracle")
    assert_matches(identity_penalty(theta, Polar()), torch.tensor(0.25, dtype=torch.float64), "oracle")


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_folding_is_the_missing_determinant(ndim):
    matrix = torch.eye(ndim, ndim + 1, dtype=torch.float64) + 0.3 * torch.rand(ndim, ndim + 1, dtype=torch.float64)
    determinant = torch.linalg.det(matrix[:, :ndim])
    assert determinant > 0
    assert folding_penalty(matrix[None], Affine(ndim)) == 0
    assert_matches(folding_penalty(matrix[None], Affine(ndim), margin=2.0), 2 - determinant, "oracle")
    matrix[0] *= -1
    assert_matches(folding_penalty(matrix[None], Affine(ndim)), determinant, "oracle")


def test_a_fold_of_a_spline_is_found():
    transform = ThinPlateSpline()
    theta = transform.identity()[None]
    theta[0, 5, 0] += 0.3
    assert folding_penalty(theta, transform) == 0
    theta[0, 5, 0] += 1.0  # past its neighbour
    assert folding_penalty(theta, transform) > 0.01


def test_bending_is_that_of_the_spline_and_affine_maps_are_free():
    transform = ThinPlateSpline()
    theta = theta_near_identity(transform, batch=4)
    assert_matches(bending_energy(theta, transform), transform.bending_energy(theta).mean(), "oracle")
    assert bending_energy(theta, transform) > 0.01
    affine = torch.tensor([[[0.7, 0.3, 0.1], [-0.2, 1.2, 0.0]]], dtype=torch.float64)
    assert bending_energy(Affine()(affine, transform.control.double()), transform) < 1e-10
    bounded = Bounded(transform, shift=0.3)
    assert_matches(bending_energy(theta, bounded), transform.bending_energy(bounded.bound(theta)).mean(), "oracle")


def test_bending_of_another_family_is_refused():
    with pytest.raises(UnsupportedError, match="bending_energy: expected a ThinPlateSpline, got Affine"):
        bending_energy(Affine().identity()[None], Affine())


@pytest.mark.parametrize("penalty", [outside_penalty, identity_penalty])
def test_points_behind_a_horizon_count_nothing(penalty):
    theta = torch.tensor([[1.0, 0, 0, 0, 1, 0, 3.0, 0]], requires_grad=True)
    cost = penalty(theta, Projective())
    cost.backward()
    assert cost < 1e3
    assert theta.grad.isfinite().all()
    assert theta.grad.any()


@every_penalty
def test_several_warps_of_each_image_and_half_precision(penalty):
    theta = theta_near_identity(Affine(), batch=6, spread=1.0, dtype=torch.float32)
    split = penalty(theta.view(2, 3, 2, 3), Affine())
    assert_close = torch.testing.assert_close
    assert_close(split, penalty(theta, Affine()))
    assert penalty(theta.bfloat16(), Affine()).dtype is torch.float32


@every_penalty
@pytest.mark.parametrize("points", [1, 0, 2.5])
def test_a_lattice_has_at_least_two_points(penalty, points):
    with pytest.raises(OptionError, match="points: expected"):
        penalty(Affine().identity()[None], Affine(), points=points)
