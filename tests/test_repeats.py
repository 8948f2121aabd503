"""A warp like one before gives what the first would give, and bad input is refused as ever."""

import copy
import weakref

import numpy as np
import pytest
import torch
from torch.utils.checkpoint import checkpoint

import unwarp
from support.families import CASES, default
from support.generators import image, theta_near_identity
from support.repeats import assert_repeats, gradients
from support.tolerances import assert_matches
from unwarp import _repeats, warp
from unwarp.errors import DeviceError, DtypeError, OptionError, ShapeError
from unwarp.transforms import Affine, Similarity, ThinPlateSpline

SIZES = {1: (9,), 2: (7, 10), 3: (4, 5, 6)}
BY_GRID = ("compose", "diffeomorphic", "flow", "learned_basis", "log_polar", "polar", "stationary_velocity")

pytestmark = pytest.mark.skipif(
    unwarp.available_backends()["native"] is not None, reason="the C++ ops are missing: no call is kept"
)


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch):
    monkeypatch.setattr(_repeats, "_kept", {})


def kept() -> int:
    """How many sorts of calls go straight to an op."""
    return sum(found.repeat is not None for found in _repeats._kept.values())


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(("family", "ndim"), CASES)
def test_a_repeated_warp_is_the_first(family, ndim, align_corners):
    transform = default(family, ndim)
    source, theta = image(SIZES[ndim]), theta_near_identity(transform, dtype=torch.float32)

    def call(source, theta):
        return warp(source, theta, transform, (5,) * ndim, align_corners=align_corners, padding_mode="border")

    assert_repeats(call, source, theta)
    assert kept() == (0 if family in BY_GRID else 1)


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_every_dtype_and_kernel(dtype, mode):
    transform = ThinPlateSpline()
    points = torch.float64 if dtype == torch.float64 else torch.float32
    source, theta = image((8, 9), dtype=dtype), theta_near_identity(transform, dtype=points)
    for fixed, given in ((transform, theta), ("affine", theta_near_identity(Affine(), dtype=points))):
        assert_repeats(lambda source, theta, fixed=fixed: warp(source, theta, fixed, mode=mode), source, given)
    assert kept() == 2


@pytest.mark.parametrize(("family", "ndim"), CASES)
def test_a_theta_in_half_precision_takes_the_long_way(family, ndim):
    transform = default(family, ndim)
    source, theta = image(SIZES[ndim], dtype=torch.float16), theta_near_identity(transform, dtype=torch.float16)
    for _ in range(2):
        warp(source, theta, transform)
    assert kept() == 0


def test_the_image_keeps_its_memory_format():
    source = image((8, 9)).contiguous(memory_format=torch.channels_last)
    theta = theta_near_identity(Affine(), dtype=torch.float32)
    for _ in range(2):
        assert warp(source, theta, "affine").is_contiguous(memory_format=torch.channels_last)
        assert warp(source.contiguous(), theta, "affine").is_contiguous()


def test_a_backend_that_was_asked_for_is_not_another():
    source, theta = image((8, 9)), theta_near_identity(Affine(), dtype=torch.float32)
    for backend in ("native", "reference", "auto", "aten"):
        warp(source, theta, "affine", backend=backend)
    assert kept() == 2


@pytest.mark.parametrize("first", [0, 1])
def test_a_transform_whose_state_changed_counts_as_it_is_now(first):
    transform = ThinPlateSpline()
    source, theta = image((8, 9)), theta_near_identity(transform, dtype=torch.float32)
    moved = copy.deepcopy(transform)
    moved.load_state_dict({**moved.state_dict(), "control": moved.control * 0.7})
    expected = [warp(source, theta, family, backend="reference") for family in (transform, moved)]
    states = [transform.state_dict(), moved.state_dict()]
    states = [{name: value.clone() for name, value in state.items()} for state in states]
    for state in (first, 1 - first, first):
        transform.load_state_dict(states[state])
        assert_matches(warp(source, theta, transform), expected[state], "backend")


def test_autocast_does_not_round_the_matrix():
    transform = Similarity()
    source, theta = image((30, 40)), theta_near_identity(transform, dtype=torch.float32)
    expected = warp(source, theta, transform)
    for _ in range(2):
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(warp(source, theta, transform), expected)


def test_what_was_kept_in_inference_mode_is_differentiated_later():
    for transform in (Affine(), ThinPlateSpline()):
        source, theta = image((8, 9)), theta_near_identity(transform, dtype=torch.float32)
        with torch.inference_mode():
            warp(source, theta, transform)
        gradients(lambda source, theta, transform=transform: warp(source, theta, transform), source, theta)


# torch's own forward mode scripts its decompositions the first time.
@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")
@pytest.mark.parametrize("family", ["affine", "projective", "similarity", "thin_plate_spline"])
def test_surroundings_that_watch_are_served_after_a_plain_call(family):
    source, theta = image((8, 9)).double(), theta_near_identity(default(family, 2))

    def loss(theta):
        return warp(source, theta, family, mode="bicubic").square().sum()

    plain = torch.autograd.grad(loss(theta.requires_grad_()), theta)[0]
    assert_matches(torch.func.grad(loss)(theta.detach()), plain, "backend")
    (batched,) = torch.autograd.grad(loss(theta), theta, torch.ones(3, dtype=torch.float64), is_grads_batched=True)
    assert_matches(batched, plain.expand_as(batched), "backend")
    tangent = torch.ones_like(theta)
    _, directional = torch.func.jvp(loss, (theta.detach(),), (tangent,))
    assert_matches(directional, (plain * tangent).sum(), "backend")
    assert torch.autograd.gradgradcheck(loss, theta)
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    assert_matches(compiled(theta).detach(), loss(theta).detach(), "backend")


def test_many_thetas_an_image_and_one_image_for_many_are_as_before():
    thetas = theta_near_identity(Affine(), batch=6, dtype=torch.float32)
    source = image((8, 9))
    for _ in range(2):
        assert warp(source, thetas.reshape(2, 3, 2, 3), "affine").shape == (2, 3, 3, 8, 9)
        assert warp(source[:1], thetas, "affine").shape == (6, 3, 8, 9)
        assert warp(source, thetas[:1], "affine").shape == (2, 3, 8, 9)


def test_what_only_equals_good_input_is_refused_after_it():
    source, theta = image((8, 9)), theta_near_identity(Affine(), dtype=torch.float32)
    warp(source, theta, "affine", (1, 4))
    with pytest.raises(ShapeError, match="size"):
        warp(source, theta, "affine", (True, 4))
    with pytest.raises(ShapeError, match="size"):
        warp(source, theta, "affine", (1.0, 4.0))
    with pytest.raises(OptionError, match="align_corners"):
        warp(source, theta, "affine", (1, 4), align_corners=0)
    with pytest.raises(OptionError, match="antialias"):
        warp(source, theta, "affine", (1, 4), antialias=0)
    with pytest.raises(DtypeError, match="dense"):
        warp(source.to_sparse(), theta, "affine", (1, 4))
    with pytest.raises(DtypeError, match="torch.Tensor"):
        warp(source.numpy(), theta, "affine", (1, 4))
    with pytest.raises(DeviceError):
        warp(source, theta.to("meta"), "affine", (1, 4))
    assert warp(source, theta, "affine", (np.int64(1), 4)).shape == (2, 3, 1, 4)


def test_there_is_an_end_to_what_is_kept():
    theta = theta_near_identity(Affine(), dtype=torch.float32)
    for width in range(2, 2 * _repeats._MOST):
        warp(image((2, width), channels=1), theta, "affine")
    assert 0 < len(_repeats._kept) <= _repeats._MOST


def test_no_transform_lives_longer_for_its_calls():
    source, transform = image((8, 9)), ThinPlateSpline()
    warp(source, theta_near_identity(transform, dtype=torch.float32), transform)
    there = weakref.ref(transform)
    del transform
    assert there() is None
    for control in ((3, 4), (4, 3), (2, 6)):  # in the memory of the last, perhaps
        another = ThinPlateSpline(control)
        given = theta_near_identity(another, dtype=torch.float32)
        expected = warp(source, given, another, backend="reference")
        assert_matches(warp(source, given, another), expected, "backend")
        del another


@pytest.mark.parametrize("family", ["affine", "projective", "similarity", "thin_plate_spline"])
@pytest.mark.parametrize("forgotten", [False, True])
def test_checkpointing_records_the_same_in_every_call(family, forgotten):
    source, theta = image((8, 9)), theta_near_identity(default(family, 2), dtype=torch.float32).requires_grad_()
    expected = torch.autograd.grad(warp(source, theta, family).square().sum(), theta)[0]
    _repeats._kept.clear()
    loss = checkpoint(lambda theta: warp(source, theta, family).square().sum(), theta, use_reentrant=False)
    if forgotten:
        _repeats._kept.clear()
    assert torch.equal(torch.autograd.grad(loss, theta)[0], expected)


@pytest.mark.parametrize("family", ["affine", "projective", "thin_plate_spline"])
def test_a_theta_of_inference_mode_serves_an_image_that_learns(family):
    with torch.inference_mode():
        theta = theta_near_identity(default(family, 2), dtype=torch.float32)
    source = image((8, 9)).requires_grad_()
    for _ in range(3):
        found = torch.autograd.grad(warp(source, theta, family).square().sum(), source)[0]
    assert_matches(
        found,
        torch.autograd.grad(warp(source, theta.clone(), family, backend="reference").square().sum(), source)[0],
        "backend",
    )


def test_control_points_that_learn_get_their_gradient_every_time():
    transform = ThinPlateSpline()
    source, theta = image((8, 9)), theta_near_identity(transform, dtype=torch.float32)
    warp(source, theta, transform)
    transform.control.requires_grad_()
    for _ in range(2):
        (found,) = torch.autograd.grad(warp(source, theta, transform).square().sum(), transform.control)
        assert found.abs().sum() > 0


def test_control_points_that_move_before_the_backward_pass_leave_it_alone():
    transform = ThinPlateSpline().double()
    source, theta = image((8, 9)).double(), theta_near_identity(transform).requires_grad_()
    expected = torch.autograd.grad(warp(source, theta, transform).square().sum(), theta)[0]
    for higher in (False, True):
        loss = warp(source, theta, transform).square().sum()
        before = transform.control.clone()
        transform.control.mul_(0.5)
        assert_matches(torch.autograd.grad(loss, theta, create_graph=higher)[0].detach(), expected, "backend")
        transform.control.copy_(before)


def test_another_lattice_refuses_the_thetas_of_the_first():
    transform = ThinPlateSpline((4, 4))
    source, theta = image((8, 9)), theta_near_identity(transform, dtype=torch.float32)
    warp(source, theta, transform)
    transform.control = ThinPlateSpline((3, 3)).control
    transform.control_changed()
    with pytest.raises(ShapeError, match="theta"):
        warp(source, theta, transform)


def test_what_cannot_be_kept_is_tried_once(monkeypatch):
    tried = []
    monkeypatch.setattr(_repeats, "_repeat", lambda *arguments: tried.append(arguments))
    source, theta = image((8, 9)), theta_near_identity(Affine(), dtype=torch.float32)
    for _ in range(3):
        warp(source, theta, "affine")
    assert len(tried) == 1
