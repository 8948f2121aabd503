"""The C++ op that follows particles, against the series it stands for: values, gradients, and as torch sees it."""

import json
import os
import subprocess
import sys
import time

import pytest
import torch

from support.families import points_inside
from support.field_cases import assert_gradients_match, field_case
from support.generators import generator
from support.native_cases import needs_native
from support.tolerances import assert_matches
from unwarp.transforms import Diffeomorphic, trajectory

pytestmark = needs_native


def follow(*arguments):
    return torch.ops.unwarp.follow_field.default(*arguments)


@pytest.mark.parametrize("speed", [0.0, 0.05, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_equals_the_series(ndim, dtype, speed):
    arguments = field_case(ndim, dtype=dtype, speed=speed)
    assert_matches(follow(*arguments), trajectory.follow(*arguments), "followed")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_gradients_equal_the_series(ndim, dtype):
    velocities, points, *rest = field_case(ndim, dtype=dtype)
    given = velocities.requires_grad_(), points.requires_grad_()
    upstream = torch.randn(points.shape, generator=generator(7), dtype=torch.float64).to(dtype)
    found, expected = (
        torch.autograd.grad(call(*given, *rest), given, upstream) for call in (follow, trajectory.follow)
    )
    assert_gradients_match(found, expected)


def test_gradients_where_a_stage_ends_before_a_simplex_does():
    """A field so steep that the series has to start anew within a simplex."""
    velocities, points, boxes, _ = field_case(2, speed=3.0)
    given = velocities.requires_grad_(), points.requires_grad_()
    upstream = torch.randn(points.shape, generator=generator(7), dtype=torch.float64)
    values = [call(*given, boxes, 400) for call in (follow, trajectory.follow)]
    assert_matches(*values, "followed")
    found, expected = (torch.autograd.grad(value, given, upstream) for value in values)
    assert_gradients_match(found, expected)


def test_few_stages_end_where_the_series_ends():
    velocities, points, boxes, _ = field_case(2, speed=0.7)
    for stages in (1, 2, 3):
        assert_matches(
            follow(velocities, points, boxes, stages), trajectory.follow(velocities, points, boxes, stages), "followed"
        )


def test_only_what_is_asked_for():
    velocities, points, *rest = field_case(2)
    upstream = torch.randn(points.shape, generator=generator(7), dtype=torch.float64)
    both = torch.ops.unwarp.follow_field_backward(upstream, velocities, points, *rest, True, True)
    field, none = torch.ops.unwarp.follow_field_backward(upstream, velocities, points, *rest, True, False)
    assert torch.equal(field, both[0])
    assert none.numel() == 0
    none, start = torch.ops.unwarp.follow_field_backward(upstream, velocities, points, *rest, False, True)
    assert torch.equal(start, both[1])
    assert none.numel() == 0


@pytest.mark.parametrize("threads", [1, 2])
def test_many_points_in_parts(threads):
    """More than one part a batch; the same bits whatever the number of threads."""
    velocities, points, *rest = field_case(2, batch=3, count=5001, speed=0.4)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        upstream = torch.ones_like(points)
        many = follow(velocities, points, *rest)
        gradients = torch.ops.unwarp.follow_field_backward(upstream, velocities, points, *rest, True, True)
        torch.set_num_threads(3 - threads)
        again = torch.ops.unwarp.follow_field_backward(upstream, velocities, points, *rest, True, True)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(gradients[0], again[0])
    few = follow(velocities, points[:, 4000:4100].contiguous(), *rest)
    assert_matches(many[:, 4000:4100], few, "rearranged")
    pieces = sum(
        torch.ops.unwarp.follow_field_backward(u, velocities, p, *rest, True, True)[0]
        for p, u in zip(points.split(1000, 1), upstream.split(1000, 1), strict=True)
    )
    assert_matches(gradients[0], pieces, "oracle")


def test_shared_and_strided_points():
    velocities, points, *rest = field_case(2)
    shared = points[:1].expand(2, -1, -1)
    assert torch.equal(follow(velocities, shared, *rest), follow(velocities, shared.contiguous(), *rest))
    wide = torch.zeros(*points.shape[:2], 4, dtype=torch.float64)
    wide[..., ::2] = points
    assert torch.equal(follow(velocities, wide[..., ::2], *rest), follow(velocities, points, *rest))


def test_opcheck():
    velocities, points, *rest = field_case(2, speed=0.3, count=5)
    torch.library.opcheck(
        torch.ops.unwarp.follow_field.default, (velocities.requires_grad_(), points.requires_grad_(), *rest)
    )
    grad, plain = torch.ones_like(points), (velocities.detach(), points.detach())
    for needed in ((True, True), (True, False), (False, True)):
        torch.library.opcheck(torch.ops.unwarp.follow_field_backward.default, (grad, *plain, *rest, *needed))


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_gradcheck_twice(ndim):
    transform = Diffeomorphic((2,) * ndim if ndim < 3 else (1, 1, 1), ndim=ndim, stages=6).double()
    theta = 0.2 * torch.randn(transform.theta_shape, generator=generator(0), dtype=torch.float64)
    points = points_inside(ndim, 3)
    torch.autograd.gradcheck(transform, (theta.requires_grad_(), points.requires_grad_()))
    torch.autograd.gradgradcheck(transform, (theta, points))


def test_the_transform_uses_it_and_leaves_it_to_the_series_where_it_must(monkeypatch):
    transform = Diffeomorphic((2, 2), stages=8)
    theta, points = 0.3 * torch.randn(4, *transform.theta_shape, generator=generator(0)), points_inside(2, 9).float()
    expected = transform(theta, points)
    seen = []
    series = trajectory.follow
    monkeypatch.setattr(trajectory, "follow", lambda *given: seen.append("series") or series(*given))
    assert_matches(transform(theta, points), expected, "followed")
    assert not seen
    mapped = torch.func.vmap(lambda one: transform(one, points))(theta)
    assert_matches(mapped, expected, "followed")
    assert seen


def test_is_many_times_as_fast_as_the_series():
    """It is there for its speed, in training first of all."""
    transform = Diffeomorphic((3, 3), stages=16)
    theta = 0.2 * torch.randn(16, *transform.theta_shape, generator=generator(0))
    points = points_inside(2, 28 * 28).float()
    velocities = transform._node_velocities(theta)
    spread = points.expand(16, -1, -1)

    def seconds(call):
        call(velocities, spread, (3, 3), 16)
        started = time.perf_counter()
        call(velocities, spread, (3, 3), 16)
        return time.perf_counter() - started

    assert 10 * seconds(follow) < seconds(trajectory.follow)


def test_no_particles_and_no_fields():
    transform = Diffeomorphic((2, 2))
    assert transform(torch.zeros(0, *transform.theta_shape), torch.zeros(5, 2)).shape == (0, 5, 2)
    assert transform(torch.zeros(3, *transform.theta_shape), torch.zeros(0, 2)).shape == (3, 0, 2)


WILD = """
import itertools, torch
import unwarp
from unwarp.transforms.tessellation import node_counts
values = torch.tensor([float("nan"), float("inf"), -float("inf"), 1e38, -1e38, 1e9, -3.0, 0.0, 1e-45, 1.0])
torch.manual_seed(0)
for ndim, dtype in itertools.product((1, 2, 3), (torch.float32, torch.float64)):
    boxes = (2, 1, 3)[:ndim]
    nodes = torch.Size(node_counts(boxes)).numel()
    for trial in range(20):
        velocities = values[torch.randint(len(values), (2, nodes, ndim))] if trial % 2 else torch.randn(2, nodes, ndim)
        velocities = velocities.to(dtype)
        points = values[torch.randint(len(values), (2, 37, ndim))].to(dtype)
        given = velocities.requires_grad_(), points.requires_grad_()
        torch.ops.unwarp.follow_field(*given, boxes, 5).sum().backward()
nan = torch.full((1, 3, 2), float("nan"))
assert torch.ops.unwarp.follow_field(torch.ones(1, 49, 2), nan, (1, 1), 3).isnan().all()
print("survived")
"""


@pytest.mark.parametrize("instructions", ["", "avx2", "baseline"])
def test_wild_input_never_crashes(instructions):
    done = run(WILD, {"UNWARP_CPU": instructions, "MALLOC_CHECK_": "3", "MALLOC_PERTURB_": "165"})
    if "UNWARP_CPU: expected" in done.stderr:  # never the baseline, which every processor has
        pytest.skip(f"this processor has no {instructions}")
    assert done.stdout.strip() == "survived", done.stderr[-2000:]


AGREE = """
import json, torch
import unwarp
torch.manual_seed(0)
transform = unwarp.transforms.Diffeomorphic((3, 3), stages=30)
theta = (0.5 * torch.randn(2, *transform.theta_shape)).requires_grad_()
out = transform(theta, 2 * torch.rand(50, 2) - 1)
out.square().sum().backward()
from unwarp import _native
print(json.dumps([_native.instruction_set(), out.tolist(), theta.grad.tolist()]))
"""


def test_every_instruction_set_computes_the_same():
    results = {}
    for name in ("avx512", "avx2", "baseline"):
        done = run(AGREE, {"UNWARP_CPU": name})
        if done.returncode == 0:
            used, *figures = json.loads(done.stdout)
            assert used == name
            results[name] = [torch.tensor(figure) for figure in figures]
    assert "baseline" in results
    for figures in results.values():
        for ours, theirs in zip(figures, results["baseline"], strict=True):
            assert_matches(ours, theirs, "followed")


def run(code, changed):
    environment = {**os.environ, **changed}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"points": torch.zeros(2, 5, 2)}, "dtype of the points"),
        ({"points": torch.zeros(3, 5, 2, dtype=torch.float64)}, "expected velocities"),
        ({"boxes": (3,)}, "one positive number an axis"),
        ({"boxes": (3, 0)}, "one positive number an axis"),
        ({"boxes": (3, 3)}, "one a node"),
        ({"stages": 0}, "at least one stage"),
    ],
)
def test_the_op_refuses_what_it_cannot_follow(changed, message):
    velocities, points, boxes, stages = field_case(2, count=5)
    given = {"velocities": velocities, "points": points, "boxes": boxes, "stages": stages, **changed}
    with pytest.raises(RuntimeError, match=message):
        follow(*given.values())
