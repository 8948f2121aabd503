"""One op on the C++ ops and on the reference: output and gradients side by side."""

import pytest
import torch
from torch import Tensor

from support.generators import generator
from support.tolerances import assert_matches
from unwarp.backends import Sampling
from unwarp.backends.native import Native
from unwarp.backends.reference import Reference
from unwarp.kernels import resolve

NATIVE, REFERENCE = Native(), Reference()

# UNWARP_REQUIRE_BACKENDS, which CI sets, turns this skip into a refusal to start.
needs_native = pytest.mark.skipif(NATIVE.missing() is not None, reason=f"native is missing: {NATIVE.missing()}")


def sampling(kernel: str, mode: str, *, align_corners: bool = False, channels: int = 3) -> Sampling:
    fill = torch.linspace(-1, 2, channels) if mode == "fill" else None
    return Sampling(resolve(kernel), mode, fill, align_corners)


def evaluate(backend, op: str, source: Tensor, theta: Tensor, *rest):
    """Output, and gradients of image and theta."""
    source, theta = source.detach().requires_grad_(), theta.detach().requires_grad_()
    out = getattr(backend, op)(source, theta, *rest)
    upstream = torch.randn(out.shape, generator=generator(7), dtype=torch.float64).to(out.dtype)
    found = torch.autograd.grad(out, (source, theta), upstream, materialize_grads=True, allow_unused=True)
    return out.detach(), *found


def assert_same(op: str, source: Tensor, theta: Tensor, *rest) -> None:
    expected = evaluate(REFERENCE, op, source, theta, *rest)
    # Sums over many samples round in proportion to their terms: for a matrix these are gradients times coordinates.
    lever = expected[0].numel() ** 0.5 * max(expected[0].shape[2:]) if op == "warp_matrix" else 1.0
    if op == "warp_matrix" and theta.shape[1] == theta.shape[2]:  # the denominator's gradient: times positions too
        lever *= max(source.shape[2:]) / 2
    floors = {"values": 1.0, "image": 1.0, "theta": max(1.0, lever)}
    for what, a, b in zip(floors, evaluate(NATIVE, op, source, theta, *rest), expected, strict=True):
        scale = max(floors[what], b.nan_to_num().abs().max().item())
        assert_matches(a / scale, b / scale, "backend", what=what)
