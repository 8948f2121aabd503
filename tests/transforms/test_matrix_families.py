"""The matrix families: what their parameters mean, rotations, the horizon."""

import math

import pytest
import torch
from scipy.spatial.transform import Rotation

import unwarp
from support.families import points_inside
from support.generators import generator, image
from support.tolerances import assert_matches
from unwarp.errors import ShapeError
from unwarp.transforms import Affine, Attention, Compose, Projective, Rigid, Similarity, Translation
from unwarp.transforms.rotation import rotation_matrix, rotation_parameters


def test_parameters_mean_what_the_docstrings_say():
    point = torch.tensor([[0.5, 0.0]])
    quarter = math.pi / 2
    torch.testing.assert_close(Translation()(torch.tensor([0.1, 0.2]), point), point + torch.tensor([0.1, 0.2]))
    torch.testing.assert_close(Attention()(torch.tensor([0.5, 0.1, 0.2]), point), torch.tensor([[0.35, 0.2]]))
    torch.testing.assert_close(Rigid()(torch.tensor([quarter, 0.0, 0.0]), point), torch.tensor([[0.0, 0.5]]))
    torch.testing.assert_close(Similarity()(torch.tensor([2.0, quarter, 0.1, 0.0]), point), torch.tensor([[0.1, 1.0]]))


def test_affine_is_that_of_torch():
    theta = torch.randn(3, 2, 3, generator=generator(), dtype=torch.float64)
    for align_corners in (False, True):
        expected = torch.nn.functional.affine_grid(theta, (3, 1, 5, 6), align_corners=align_corners)
        grid = unwarp.make_grid((5, 6), align_corners=align_corners, dtype=torch.float64)
        assert_matches(Affine()(theta, grid), expected, "oracle")


def test_rotation_vectors_are_those_of_scipy():
    vectors = torch.randn(50, 3, generator=generator(), dtype=torch.float64)
    vectors = torch.cat([vectors, 1e-3 * vectors, 1e-9 * vectors])
    matrices = rotation_matrix(vectors, 3)
    assert_matches(matrices, torch.from_numpy(Rotation.from_rotvec(vectors.numpy()).as_matrix()), "oracle")
    expected = torch.from_numpy(Rotation.from_matrix(matrices.numpy()).as_rotvec())
    torch.testing.assert_close(rotation_parameters(matrices), expected, atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("angle", [math.pi, math.pi - 1e-6, 3.0])
def test_half_turns_have_parameters(axis, angle):
    vector = torch.zeros(3, dtype=torch.float64)
    vector[axis] = angle
    matrix = rotation_matrix(vector, 3)
    torch.testing.assert_close(rotation_matrix(rotation_parameters(matrix), 3), matrix, atol=1e-9, rtol=0)


def test_derivatives_at_no_rotation_are_exact():
    family = Rigid(3)
    points = points_inside(3, 4)
    jacobian = torch.func.jacrev(lambda theta: family(theta, points))(family.identity(dtype=torch.float64))
    for i, axis in enumerate(torch.eye(3, dtype=torch.float64)):
        assert_matches(jacobian[..., i], torch.linalg.cross(axis.expand_as(points), points), "oracle")
    backwards = torch.func.jacrev(lambda theta: family.inverse(theta))(family.identity(dtype=torch.float64))
    assert_matches(backwards, -torch.eye(6, dtype=torch.float64), "oracle")


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_points_behind_the_horizon_are_outside_and_pass_no_gradient(ndim):
    family = Projective(ndim)
    theta = family.identity(dtype=torch.float64)
    theta[-ndim:] = 2.0  # the denominator 2 (x + y + z) + 1 is negative for a part of the image
    theta = theta[None].requires_grad_()
    source = image((9,) * ndim, dtype=torch.float64)
    warped = unwarp.warp(source, theta, family, padding_mode="fill", fill_value=7.0)
    corner = (..., *(0,) * ndim)
    assert (warped[corner] == 7.0).all()
    warped[corner].sum().backward()
    assert torch.equal(theta.grad, torch.zeros_like(theta))
    unwarp.warp(source, theta, family).sum().backward()
    assert theta.grad.isfinite().all()


def test_names_stand_for_one_shared_transform_each():
    first = unwarp.transforms.resolve("rigid", 2)
    assert unwarp.transforms.resolve("rigid", 2) is first
    assert unwarp.transforms.resolve(first, 2) is first
    assert unwarp.transforms.create("rigid", 2) is not first
    with pytest.raises(unwarp.OptionError, match="Did you mean 'similarity'"):
        unwarp.transforms.resolve("similarty", 2)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_similarities_that_mirror_or_turn_compose_and_have_an_inverse(ndim):
    family, points = Similarity(ndim), points_inside(ndim, 20)
    theta = family.identity(dtype=torch.float64) + 0.3 * torch.rand(2, *family.theta_shape, generator=generator())
    mirrored = theta * torch.tensor([-1.0] + [1.0] * (len(theta[0]) - 1), dtype=torch.float64)
    back = family.transform_points(family.inverse(mirrored), family(mirrored, points))
    assert_matches(back, points.expand_as(back), "oracle")
    for outer, inner in ((mirrored, theta), (theta, mirrored), (mirrored, mirrored)):
        expected = family.transform_points(outer, family(inner, points))
        assert_matches(family(family.compose(outer, inner), points), expected, "oracle")
    if ndim != 2:
        assert_matches(family.from_matrix(family.matrix(mirrored)), mirrored, "oracle")
        slope = torch.func.jacrev(family.inverse)(mirrored[0])
        assert_matches(slope[0, 0], -1 / mirrored[0, 0] ** 2, "oracle")


def test_integer_thetas_are_not_rounded():
    crop = torch.tensor([[2, 0, 1]])
    assert torch.equal(Attention().inverse(crop), torch.tensor([[0.5, 0.0, -0.5]]))
    composed = Attention().compose(crop, Attention().inverse(crop))
    assert torch.equal(composed, torch.tensor([[1.0, 0.0, 0.0]]))


@pytest.mark.parametrize("family", [Rigid(), Affine(), Projective(), Similarity(3)], ids=lambda one: type(one).__name__)
def test_a_theta_of_another_family_is_refused(family):
    right, wrong = family.identity()[None], torch.rand(1, 5)
    with pytest.raises(ShapeError, match=f"for {type(family).__name__}, got"):
        family.inverse(wrong)
    for pair in ((wrong, right), (right, wrong)):
        with pytest.raises(ShapeError, match=f"for {type(family).__name__}, got"):
            family.compose(*pair)


@pytest.mark.parametrize("ndim", [2, 3])
def test_autocast_does_not_round_matrices(ndim):
    generator = torch.Generator().manual_seed(ndim)
    for family in (
        Rigid(ndim),
        Similarity(ndim),
        Affine(ndim),
        Projective(ndim),
        Compose(Rigid(ndim), Attention(ndim)),
    ):
        start = family.identity()
        outer, inner = (start + 0.1 * torch.rand(2, *start.shape, generator=generator) for _ in range(2))
        calls = [lambda: family.matrix(outer)]  # noqa: B023 - called within the loop
        if not isinstance(family, Compose):
            calls += [lambda: family.compose(outer, inner), lambda: family.inverse(outer)]  # noqa: B023
        for call in calls:
            with torch.autocast("cpu", torch.bfloat16):
                rounded = call()
            assert torch.equal(rounded, call()), type(family).__name__
