"""The ops that follow particles through a velocity field, against the series they stand for."""

import pytest
import torch

from support.field_cases import assert_gradients_match, field_case
from support.generators import generator
from support.tolerances import assert_matches, assert_same
from unwarp.backends import native_field
from unwarp.backends.triton import field as ours
from unwarp.transforms import trajectory

DTYPES = [torch.float32, torch.float64]


def follow(*arguments):
    return torch.ops.unwarp_triton.follow_field.default(*arguments)


def adjoint(*arguments):
    return torch.ops.unwarp_triton.follow_field_backward.default(*arguments)


@pytest.fixture
def case(device):
    """`field_case` where the kernels run."""

    def make(ndim, **options):
        velocities, points, *rest = field_case(ndim, **{"count": 9, **options})
        return velocities.to(device), points.to(device), *rest

    return make


def assert_as_the_series(velocities, points, *rest):
    given = velocities.requires_grad_(), points.requires_grad_()
    upstream = torch.randn(points.shape, generator=generator(7), dtype=torch.float64).to(points)
    values = [call(*given, *rest) for call in (follow, trajectory.follow)]
    assert_matches(*values, "followed")
    found, expected = (torch.autograd.grad(value, given, upstream) for value in values)
    assert_gradients_match(found, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_value_and_gradients(ndim, dtype, case):
    velocities, points, *rest = case(ndim, dtype=dtype)
    assert_as_the_series(velocities, points, *rest)


@pytest.mark.parametrize("speed", [0.0, 0.05])
def test_slow_fields(speed, case):
    arguments = case(2, speed=speed)
    found = follow(*arguments)
    assert_matches(found, trajectory.follow(*arguments), "followed")
    assert bool((found == 0).all()) == (speed == 0)


def test_more_than_a_block_a_batch_and_a_block_a_program(case, monkeypatch):
    monkeypatch.setattr(ours, "_BLOCK", 4)
    monkeypatch.setattr(ours, "_PROGRAMS", 3)
    velocities, points, *rest = case(2, batch=3, count=10, speed=0.3)
    assert_as_the_series(velocities, points, *rest)


def test_gradients_where_a_stage_ends_before_a_simplex_does(case):
    """A field so steep that the series has to start anew within a simplex."""
    velocities, points, boxes, _ = case(2, speed=3.0, count=6)
    assert_as_the_series(velocities, points, boxes, 400)


@pytest.mark.parametrize("stages", [1, 2, 3])
def test_few_stages_end_where_the_series_ends(stages, case):
    velocities, points, boxes, _ = case(2)
    expected = trajectory.follow(velocities, points, boxes, stages)
    assert_matches(follow(velocities, points, boxes, stages), expected, "followed")


def test_only_what_is_asked_for(case):
    velocities, points, *rest = case(2)
    upstream = torch.ones_like(points)
    both = adjoint(upstream, velocities, points, *rest, True, True)
    velocities_alone, none = adjoint(upstream, velocities, points, *rest, True, False)
    assert_matches(velocities_alone, both[0], "rearranged")  # on a GPU, additions come in any order
    assert none.numel() == 0
    none, points_alone = adjoint(upstream, velocities, points, *rest, False, True)
    assert_same(points_alone, both[1])
    assert none.numel() == 0


def test_shared_and_strided_points(case):
    velocities, points, *rest = case(2)
    shared = points[:1].expand(2, -1, -1)
    assert_same(follow(velocities, shared, *rest), follow(velocities, shared.contiguous(), *rest))
    wide = torch.zeros(*points.shape[:2], 4).to(points)
    wide[..., ::2] = points
    assert_same(follow(velocities, wide[..., ::2], *rest), follow(velocities, points, *rest))


@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")  # the interpreter's, of infinities and NaN
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_wild_input(ndim, case):
    """Whatever comes in, nothing is read or written beyond the lattice, and every search ends."""
    wild = torch.tensor([float("nan"), float("inf"), -float("inf"), 1e38, -1e38, -3.0, 0.0, 1e-45, 1.0])
    velocities, points, boxes, _ = case(ndim, dtype=torch.float32)
    points = wild[torch.randint(len(wild), points.shape, generator=generator(1))].to(points)
    velocities = wild[torch.randint(len(wild), velocities.shape, generator=generator(2))].to(points)
    for field in (torch.ones_like(velocities), velocities):
        assert follow(field, points, boxes, 4).shape == points.shape
        gradients = adjoint(torch.ones_like(points), field, points, boxes, 4, True, True)
        assert [g.shape for g in gradients] == [field.shape, points.shape]
    assert follow(velocities, torch.full_like(points, float("nan")), boxes, 3).isnan().all()


def test_second_derivatives_and_gradients_that_must_repeat_are_those_of_the_series(case, monkeypatch):
    velocities, points, *rest = case(2, speed=0.3)
    given = velocities.requires_grad_(), points.requires_grad_()
    seen = []
    series = trajectory.follow
    monkeypatch.setattr(trajectory, "follow", lambda *arguments: seen.append(arguments) or series(*arguments))
    expected = torch.autograd.grad(series(*given, *rest).sum(), given)
    torch.autograd.grad(follow(*given, *rest).sum(), given, create_graph=True)
    assert len(seen) == 1
    monkeypatch.setattr(native_field, "_must_repeat", lambda grad: True)
    found = torch.autograd.grad(follow(*given, *rest).sum(), given)
    assert len(seen) == 2
    for ours_, theirs in zip(found, expected, strict=True):
        assert_same(ours_, theirs)
