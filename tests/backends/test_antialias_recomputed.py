"""Anti-aliased sampling in parts: recomputed in the backward pass, or all of them in one compiled graph."""

import math

import pytest
import torch
from torch import nn

import unwarp
from support.generators import generator, image
from support.tolerances import assert_matches
from unwarp.kernels import Gaussian
from unwarp.transforms.resolve import resolve


@pytest.mark.parametrize("needs_gradient", [True, False])
def test_the_gradient_is_that_of_the_kernel_in_the_forward_pass(needs_gradient):
    """Recomputed in the backward pass, when the kernel's own width may be another one again."""
    holder = nn.Module()
    holder.kernel = Gaussian(0.8, learnable=True).double()
    holder.forward = lambda source, theta: unwarp.warp(
        source, theta, "projective", (9, 9), mode=holder.kernel, antialias=True, backend="reference"
    )
    source = image((40, 40), dtype=torch.float64)[:1].requires_grad_()
    theta = torch.tensor([[3, 0.3, 0, 0.1, 2, 0, 0.4, 0.5]], dtype=torch.float64)
    width = torch.tensor(1.5, dtype=torch.float64).log().requires_grad_(needs_gradient)

    def warped(width):
        return torch.func.functional_call(holder, {"kernel.log_sigma": width}, (source, theta))

    weights = torch.rand(1, 1, 9, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    wanted = [source, width] if needs_gradient else [source]
    gradients = torch.autograd.grad((warped(width)[:, :1] * weights).sum(), wanted)
    wide = Gaussian(0.8, learnable=True).double()
    torch.nn.init.constant_(wide.log_sigma, math.log(1.5))
    other = unwarp.warp(source, theta, "projective", (9, 9), mode=wide, antialias=True, backend="reference")
    (expected,) = torch.autograd.grad((other[:, :1] * weights).sum(), source)
    assert_matches(gradients[0], expected, "rearranged")
    if needs_gradient:
        with torch.no_grad():
            ends = [(warped(width + step)[:, :1] * weights).sum() for step in (1e-6, -1e-6)]
        assert gradients[1].item() == pytest.approx(((ends[0] - ends[1]) / 2e-6).item(), rel=1e-5)


@pytest.mark.parametrize(
    ("family", "mode"),
    [("affine", "bilinear"), ("projective", "bilinear"), ("thin_plate_spline", "bicubic"), ("affine", "lanczos3")],
)
def test_large_outputs_compile_to_one_graph(family, mode):
    """More samples than are evaluated at once, with gradients; a window read from the data where an op reads it."""
    transform = resolve(family, 2)
    theta = 3 * transform.identity()[None] if family != "projective" else torch.eye(3).flatten()[None, :8] * 3
    leaves = image((96, 90), batch=1).requires_grad_(), theta.requires_grad_()
    fused = unwarp.available_backends()["native"] is None and mode != "lanczos3"
    for antialias in (8.0, True)[: 1 + fused]:

        def warp(source, theta, antialias=antialias):
            return unwarp.warp(source, theta, transform, (24, 24), mode=mode, antialias=antialias)

        torch.compiler.reset()
        warped, expected = torch.compile(warp, fullgraph=True, backend="aot_eager")(*leaves), warp(*leaves)
        assert_matches(warped, expected, "rearranged")
        weights = torch.randn(expected.shape, generator=generator())
        found = (torch.autograd.grad(values, leaves, weights) for values in (warped, expected))
        for actual, wanted in zip(*found, strict=True):
            assert_matches(actual, wanted, "backend")
