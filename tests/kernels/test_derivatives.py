"""torch.func, torch.compile, torch.export and autocast, for the main kernels."""

import pytest
import torch
from torch import nn

import unwarp
from support.generators import image
from support.tolerances import assert_matches, assert_same
from unwarp.kernels import Gaussian

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own forward mode uses it

main_kernels = pytest.mark.parametrize("kernel", ["nearest", "bilinear", "bicubic", "lanczos3", "bspline3", "gaussian"])
THETA = torch.tensor([[[0.9, 0.21, 0.03], [-0.17, 1.1, -0.06]], [[1.2, -0.4, 0.1], [0.3, 0.8, 0.2]]])


def mode_of(kernel):
    return Gaussian(0.7, learnable=True) if kernel == "gaussian" else kernel


@main_kernels
def test_jacobians_by_both_modes_and_autograd(kernel):
    x, theta = image((6, 5), batch=1, channels=1, dtype=torch.float64), THETA[0].double()

    def warp(theta):
        return unwarp.warp(x, theta[None], "affine", (3, 4), backend="reference", mode=kernel)

    by_reverse = torch.func.jacrev(warp)(theta)
    assert_matches(by_reverse, torch.autograd.functional.jacobian(warp, theta), "oracle")
    if kernel == "nearest":
        assert by_reverse.abs().max() == 0
    else:
        assert_matches(torch.func.jacfwd(warp)(theta), by_reverse, "oracle")


@main_kernels
def test_vmap_over_theta_and_over_images(kernel):
    x = image((6, 5), batch=2, channels=2)

    def warp(x, theta):
        return unwarp.warp(x[None], theta[None], "affine", (4, 3), backend="reference", mode=kernel)[0]

    expected = unwarp.warp(x, THETA, "affine", (4, 3), backend="reference", mode=kernel)
    assert_matches(torch.func.vmap(warp)(x, THETA), expected, "rearranged")
    assert_matches(
        torch.func.vmap(warp, (None, 0))(x[0], THETA),
        unwarp.warp(x[:1], THETA, "affine", (4, 3), backend="reference", mode=kernel),
        "rearranged",
    )


@pytest.mark.parametrize(
    ("kernel", "padding", "ndim"),
    [
        *((kernel, "border", 1) for kernel in ("nearest", "bilinear", "bicubic", "lanczos3", "bspline3", "gaussian")),
        *(("bilinear", padding, 2) for padding in ("zeros", "border", "reflection", "circular", "fill")),
        ("bspline2", "zeros", 1),
    ],
)
def test_compiles_to_one_graph(kernel, padding, ndim):
    x = image((6, 5)[:ndim], batch=2, channels=1).requires_grad_()
    theta = THETA[:, :ndim, -ndim - 1 :].clone().requires_grad_()
    mode = mode_of(kernel)

    def warp(x, theta):
        return unwarp.warp(x, theta, "affine", 4, backend="reference", mode=mode, padding_mode=padding)

    torch.compiler.reset()
    compiled = torch.compile(warp, fullgraph=True, backend="aot_eager")(x, theta)
    eager = warp(x, theta)
    assert_matches(compiled, eager, "rearranged")
    if kernel != "nearest":
        inputs = (x, theta, *(mode.parameters() if kernel == "gaussian" else ()))
        grads = [torch.autograd.grad(result.square().sum(), inputs, retain_graph=True) for result in (compiled, eager)]
        for ours, expected in zip(*grads, strict=True):
            assert_matches(ours, expected, "backend")


class _Warp(nn.Module):
    def __init__(self, mode):
        super().__init__()
        self.sampler = unwarp.nn.Sampler(mode=mode, backend="reference")

    def forward(self, x, theta):
        return self.sampler.warp(x, theta, unwarp.transforms.resolve("affine", 2), (4, 3))


@main_kernels
def test_exports(kernel):
    x = image((6, 5), batch=2, channels=1)
    module = _Warp(mode_of(kernel))
    exported = torch.export.export(module, (x, THETA))
    assert_matches(exported.module()(x, THETA), module(x, THETA), "rearranged")


@main_kernels
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_changes_nothing(kernel, dtype):
    x = image((40, 41), batch=2, channels=1)
    expected = unwarp.warp(x, THETA, "affine", backend="reference", mode=kernel)
    with torch.autocast("cpu", dtype=dtype):
        assert_same(unwarp.warp(x, THETA, "affine", backend="reference", mode=kernel), expected)
        half = unwarp.warp(x.to(dtype), THETA, "affine", backend="reference", mode=kernel)
    assert half.dtype == dtype
    assert_matches(
        half, unwarp.warp(x.to(dtype).float(), THETA, "affine", backend="reference", mode=kernel).to(dtype), "rounded"
    )
