"""What is kept between calls, transforms shared by name and the bases of splines, serves every later caller."""

import threading

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import unwarp
from support.generators import image, theta_near_identity
from support.tolerances import assert_same
from unwarp import warp
from unwarp.transforms import AbstractSpline, BSpline, PiecewiseAffine, ThinPlateSpline, create

SPLINES = pytest.mark.parametrize("spline", [ThinPlateSpline, BSpline, PiecewiseAffine])


def plainly(transform: AbstractSpline) -> None:
    warp(image((8, 9)), theta_near_identity(transform, dtype=torch.float32), transform)


def in_inference_mode(transform: AbstractSpline) -> None:
    with torch.inference_mode():
        plainly(transform)


def in_fake_mode(transform: AbstractSpline) -> None:
    source, theta = image((8, 9)), theta_near_identity(transform, dtype=torch.float32)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        warp(mode.from_tensor(source), mode.from_tensor(theta), transform)


def on_the_meta_device(transform: AbstractSpline) -> None:
    warp(image((8, 9)).to("meta"), theta_near_identity(transform, dtype=torch.float32).to("meta"), transform)


def under_jacrev(transform: AbstractSpline) -> None:
    theta = theta_near_identity(transform, dtype=torch.float32)
    torch.func.jacrev(lambda theta: warp(image((8, 9)), theta, transform))(theta)


def under_forward_mode(transform: AbstractSpline) -> None:
    theta = theta_near_identity(transform, dtype=torch.float32)
    torch.func.jvp(lambda theta: warp(image((8, 9)), theta, transform), (theta,), (torch.ones_like(theta),))


def under_vmap(transform: AbstractSpline) -> None:
    source, theta = image((8, 9), batch=1), theta_near_identity(transform, dtype=torch.float32)
    torch.func.vmap(lambda theta: warp(source, theta[None], transform))(theta)


def under_autocast(transform: AbstractSpline) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        plainly(transform)


def compiled(transform: AbstractSpline) -> None:
    torch.compiler.reset()
    theta = theta_near_identity(transform, dtype=torch.float32)
    torch.compile(lambda theta: warp(image((8, 9)), theta, transform), backend="eager")(theta)


def with_other_defaults(transform: AbstractSpline) -> None:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        plainly(transform)
    finally:
        torch.set_default_dtype(before)


FIRST_CALLS = (
    plainly,
    in_inference_mode,
    in_fake_mode,
    on_the_meta_device,
    under_jacrev,
    under_forward_mode,
    under_vmap,
    under_autocast,
    compiled,
    with_other_defaults,
)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own forward mode uses it
@pytest.mark.parametrize("first_call", FIRST_CALLS)
@SPLINES
def test_whatever_comes_first_the_next_call_is_a_fresh_one(spline, first_call):
    used, fresh = spline(), spline()
    first_call(used)
    kept = list(used._grid_bases.values())
    assert all(type(basis) is torch.Tensor and not basis.is_inference() for basis in kept)
    assert not any(torch._C._functorch.is_functorch_wrapped_tensor(basis) for basis in kept)
    found = []
    for transform in (used, fresh):
        leaves = image((8, 9)).requires_grad_(), theta_near_identity(transform, dtype=torch.float32).requires_grad_()
        warped = warp(*leaves, transform)
        found.append((warped.detach(), *torch.autograd.grad(warped.sum(), leaves)))
    for what, after, expected in zip(("values", "image gradient", "theta gradient"), *found, strict=True):
        assert_same(after, expected, what=what)


@SPLINES
def test_the_bases_of_a_few_sizes_are_kept_and_no_more(spline):
    transform = spline()
    for size in range(4, 34):
        warp(image((5, 5)), transform.identity().expand(2, -1, -1), transform, (size, size))
    assert 2 <= len(transform._grid_bases) <= 10
    kept = dict(transform._grid_bases)
    warp(image((5, 5)), transform.identity().expand(2, -1, -1), transform, (33, 33))
    assert all(transform._grid_bases[key] is basis for key, basis in kept.items())


def test_the_size_used_last_is_dropped_last():
    transform = ThinPlateSpline()
    theta = transform.identity().expand(2, -1, -1)
    for size in range(4, 30):
        warp(image((5, 5)), theta, transform, (size, size))
        warp(image((5, 5)), theta, transform, (3, 3))
    assert any(key[0] == (3, 3) for key in transform._grid_bases)


def test_threads_may_share_a_transform():
    transform, errors = ThinPlateSpline(), []
    theta = theta_near_identity(transform, dtype=torch.float32)
    expected = {n: warp(image((5, 5)), theta, ThinPlateSpline(), (n, 2)) for n in range(2, 22)}

    def work(start: int) -> None:
        try:
            for step in range(60):
                n = 2 + (start * 7 + step * 3) % 20
                if not torch.equal(warp(image((5, 5)), theta, transform, (n, 2)), expected[n]):
                    errors.append(f"another result at {n}")
        except Exception as error:
            errors.append(repr(error))

    threads = [threading.Thread(target=work, args=(start,)) for start in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


@pytest.mark.parametrize("mode", ["inference", "meta", "fake", "autocast"])
def test_a_transform_shared_by_name_is_made_apart_from_its_first_caller(mode, monkeypatch):
    monkeypatch.setitem(unwarp.transforms.resolve.__globals__, "_shared", {})
    contexts = {
        "inference": torch.inference_mode,
        "meta": lambda: torch.device("meta"),
        "fake": FakeTensorMode,
        "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    }
    with contexts[mode]():
        shared = unwarp.transforms.resolve("thin_plate_spline", 2)
    assert type(shared.control) is torch.Tensor
    assert shared.control.device.type == "cpu"
    assert not shared.control.is_inference()
    points = torch.rand(4, 2, requires_grad=True)
    shared(theta_near_identity(shared, dtype=torch.float32), points).sum().backward()
    assert points.grad.isfinite().all()


def test_a_name_gives_a_module_a_transform_of_its_own():
    assert create("thin_plate_spline", 2) is not create("thin_plate_spline", 2)
    assert unwarp.transforms.resolve("affine", 2) is unwarp.transforms.resolve("affine", 2)
