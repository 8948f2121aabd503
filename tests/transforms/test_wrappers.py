"""Compose, Inverse and Bounded."""

import math

import pytest
import torch

import unwarp
from support.families import DIMENSIONS, points_inside
from support.generators import image, theta_near_identity
from support.tolerances import assert_matches
from unwarp.errors import OptionError, ShapeError, UnsupportedError
from unwarp.transforms import (
    Affine,
    Attention,
    Bounded,
    BSpline,
    Compose,
    Diffeomorphic,
    Flow,
    Inverse,
    Projective,
    Rigid,
    Similarity,
    ThinPlateSpline,
)


@pytest.mark.parametrize("ndim", DIMENSIONS)
@pytest.mark.parametrize("outer", [Affine, Projective, ThinPlateSpline])
@pytest.mark.parametrize("inner", [Similarity, BSpline, Projective])
def test_compose_applies_outer_after_inner(outer, inner, ndim):
    family = Compose(outer(ndim=ndim), inner(ndim=ndim))
    first = theta_near_identity(family.outer, spread=0.1, seed=1)
    second = theta_near_identity(family.inner, spread=0.1, seed=2)
    points = points_inside(ndim, 20)
    expected = family.outer.transform_points(first, family.inner(second, points))
    assert_matches(family(family.join(first, second), points), expected, "oracle")


def test_compose_of_matrices_is_one_matrix_and_warps_once():
    family = Compose(Rigid(), Compose(Attention(), Projective()))
    assert family.has_matrix
    assert family.projective
    theta, source = theta_near_identity(family, spread=0.1), image((7, 6), dtype=torch.float64)
    outer, inner = family.parts(theta)
    assert_matches(family.matrix(theta), family.outer.matrix(outer) @ family.inner.matrix(inner), "oracle")
    grid = family(theta, unwarp.make_grid((7, 6), dtype=torch.float64))
    assert_matches(unwarp.warp(source, theta, family), unwarp.sample(source, grid), "oracle")


def test_compose_joins_what_parts_gives_and_broadcasts():
    family = Compose()
    theta = theta_near_identity(family, batch=3)
    assert torch.equal(family.join(*family.parts(theta)), theta)
    joined = family.join(theta_near_identity(family.outer, batch=3), family.inner.identity(dtype=torch.float64))
    assert joined.shape == (3, 6 + 32)


def test_compose_refuses_thetas_of_other_shapes():
    family = Compose(Affine(), ThinPlateSpline())
    affine, spline = torch.zeros(4, 2, 3), torch.zeros(4, 16, 2)
    for pair in ((torch.zeros(4, 6), spline), (torch.zeros(3, 2), spline), (affine, torch.zeros(4, 2, 3))):
        with pytest.raises(ShapeError, match=r"theta: expected \(\*batch, "):
            family.join(*pair)
    with pytest.raises(ShapeError, match=r"batches that broadcast, got \(3,\) and \(4,\)"):
        family.join(torch.zeros(3, 2, 3), spline)
    with pytest.raises(ShapeError, match=r"theta: expected \(\*batch, 38\) for Compose"):
        family.parts(torch.zeros(4, 40))


@pytest.mark.parametrize("ndim", DIMENSIONS)
def test_names_stand_for_families_in_wrappers(ndim):
    family = Compose("affine", "rigid", ndim=ndim)
    assert (type(family.outer), type(family.inner), family.ndim) == (Affine, Rigid, ndim)
    assert Compose("affine", Rigid(ndim)).outer.ndim == ndim
    for wrapper in (Inverse, Bounded):
        wrapped = wrapper("similarity", ndim=ndim).transform
        assert (type(wrapped), wrapped.ndim) == (Similarity, ndim)


@pytest.mark.parametrize("wrapper", [Inverse, Bounded, Compose, lambda part: Compose(Affine(), part)])
def test_wrappers_refuse_what_names_no_family(wrapper):
    with pytest.raises(OptionError, match="transform: expected one of .* Did you mean 'affine'"):
        wrapper("afine")
    with pytest.raises(OptionError, match=r"transform: expected one of .* Use Rigid\(\)"):
        wrapper(Rigid)


def test_compose_refuses_parts_of_different_dimensions():
    with pytest.raises(ShapeError, match=r"same ndim, got \[2, 3\]"):
        Compose(Affine(2), Affine(3))


@pytest.mark.parametrize("ndim", DIMENSIONS)
@pytest.mark.parametrize("wrapped", [Affine, Rigid, Projective, Diffeomorphic])
def test_inverse_of_a_family_undoes_it(wrapped, ndim):
    inner = wrapped(ndim=ndim)
    inverse = Inverse(inner)
    theta, points = theta_near_identity(inner, spread=0.1), points_inside(ndim, 20)
    back = inverse.transform_points(theta, inner(theta, points))
    assert_matches(back, points.expand_as(back), "oracle")


def test_inverse_keeps_points_in_front_of_the_camera_in_front():
    # The preimage of the origin lies behind: a matrix scaled to 1 in its last entry would mirror everything.
    family = Projective()
    theta = torch.tensor([1.0, 0.0, 0.8, 0.0, 1.0, 0.0, 2.0, 0.0], dtype=torch.float64)
    points = torch.tensor([[0.1, 0.2], [0.5, -0.5], [0.9, 0.0]], dtype=torch.float64)
    assert family.matrix(theta).inverse()[2, 2] < 0
    assert_matches(Inverse(family)(theta, family(theta, points)), points, "oracle")


@pytest.mark.parametrize("wrapped", [ThinPlateSpline, BSpline, Flow, Compose])
def test_inverse_refuses_what_has_none_and_says_why(wrapped):
    with pytest.raises(UnsupportedError, match=f"{wrapped.__name__}.inverse"):
        Inverse(wrapped())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_matrix_of_an_inverse_is_computed_in_single_precision(dtype):
    theta = theta_near_identity(Affine(), dtype=dtype)
    inverse = Inverse(Affine()).matrix(theta)
    assert torch.equal(inverse, Affine().matrix(theta.float()).inverse().to(dtype))
    assert torch.equal(inverse[:, :2], Affine().inverse(theta))


def test_a_singular_matrix_gives_no_error_and_nothing_finite():
    mapped = Inverse()(torch.zeros(2, 3), points_inside(2, 3, dtype=torch.float32))
    assert not mapped.isfinite().any()


@pytest.mark.parametrize("ndim", DIMENSIONS)
@pytest.mark.parametrize("wrapped", [Affine, Similarity, Projective, ThinPlateSpline, Diffeomorphic, Flow, Compose])
def test_bounded_starts_like_the_family(wrapped, ndim):
    inner = wrapped(ndim=ndim)
    bounded = Bounded(inner)
    identity = inner.identity(dtype=torch.float64)
    assert torch.equal(bounded.bound(identity), identity)
    slope = torch.autograd.functional.jacobian(bounded.bound, identity).reshape(identity.numel(), -1)
    assert torch.equal(slope, torch.eye(identity.numel(), dtype=torch.float64))


def test_bounded_keeps_each_parameter_within_its_limit():
    family = Bounded(Similarity(), scale=2.0, angle=math.pi / 6, shift=0.25)
    far = torch.tensor([[1e6, 1e6, 1e6, 1e6], [-1e6, -1e6, -1e6, -1e6]])
    expected = torch.tensor([[2.0, math.pi / 6, 0.25, 0.25], [0.5, -math.pi / 6, -0.25, -0.25]])
    torch.testing.assert_close(family.bound(far), expected)
    free = Bounded(Similarity(), angle=0.1).bound(far)
    assert torch.equal(free[:, [0, 2, 3]], far[:, [0, 2, 3]])


def test_limits_are_not_rounded_to_single_precision():
    far = torch.full((3,), 1e3, dtype=torch.float64)
    for family in (Bounded(Rigid(), angle=math.pi / 2), Bounded(Rigid(), angle=math.pi / 2).double()):
        assert family.bound(far)[0] == math.pi / 2


def test_bounded_is_monotone_and_twice_smooth_where_its_sides_meet():
    family = Bounded(Attention(), scale=3.0)
    around = torch.linspace(0.9, 1.1, 201, dtype=torch.float64)
    theta = torch.stack([around, around * 0, around * 0], dim=-1)
    scale = family.bound(theta)[:, 0]
    assert (scale.diff() > 0).all()
    curvature = scale.diff(n=2) / 0.001**2
    assert curvature.diff().abs().max() < 0.02


def test_bounded_splines_take_the_fused_route():
    family = Bounded(ThinPlateSpline(), shift=0.2)
    theta, source = theta_near_identity(family, spread=0.5), image((6, 5), dtype=torch.float64)
    reduced, bound = family.reduced(theta)
    assert reduced is family.transform
    expected = unwarp.warp(source, bound, family.transform)
    assert_matches(unwarp.warp(source, theta, family), expected, "oracle")


def test_bounded_refuses_limits_without_a_parameter():
    with pytest.raises(OptionError, match="Affine has scale, shear, shift, got angle"):
        Bounded(Affine(), angle=1.0)
    with pytest.raises(OptionError, match="Did you mean 'scale'"):
        Bounded(Affine(), scales=2.0)
    with pytest.raises(OptionError, match="scale: expected a finite limit above 1"):
        Bounded(Affine(), scale=1.0)
    with pytest.raises(OptionError, match="shift: expected a finite limit above 0"):
        Bounded(Affine(), shift=0.0)
    with pytest.raises(OptionError, match="scale: expected a finite limit above 1, a number, got '2'"):
        Bounded(Affine(), scale="2")


def test_bounded_refuses_thetas_of_other_shapes():
    with pytest.raises(ShapeError, match=r"theta: expected \(\*batch, 2, 3\) for Bounded, got \(4, 2, 1\)"):
        Bounded().bound(torch.zeros(4, 2, 1))


def test_bounded_velocities_have_an_inverse():
    family = Inverse(Bounded(Diffeomorphic(), velocity=0.5))
    theta = 0.3 * torch.randn(1, *family.theta_shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    points = torch.rand(5, 2, dtype=torch.float64) - 0.5
    there = Bounded(Diffeomorphic(), velocity=0.5).double()(theta, points)[0]
    assert_matches(family.double()(theta, there)[0], points, "rearranged")
    with pytest.raises(UnsupportedError, match=r"Bounded\.inverse"):
        Bounded(Affine()).inverse(Affine().identity()[None])
    twice = Bounded(Compose(Diffeomorphic(), Diffeomorphic()))
    with pytest.raises(UnsupportedError, match=r"Compose\.inverse"):
        twice.inverse(twice.identity()[None])
