"""A backend held against the reference: values, gradients, and the memory order of the result."""

from collections.abc import Callable

import torch
from torch import Tensor

from support.tolerances import assert_matches
from unwarp.backends.base import Backend
from unwarp.backends.reference import Reference

Evaluate = Callable[[Backend, Tensor, Tensor], Tensor]


def gradients(evaluate: Evaluate, backend: Backend, image: Tensor, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The result, and the gradients of image and theta of a sum with uneven weights."""
    leaves = image.detach().requires_grad_(), theta.detach().requires_grad_()
    result = evaluate(backend, *leaves)
    weights = torch.linspace(-1, 1, result.numel(), dtype=torch.float64).reshape(result.shape).to(result)
    return result.detach(), *torch.autograd.grad(result, leaves, weights)


def assert_twins(evaluate: Evaluate, backend: Backend, image: Tensor, theta: Tensor) -> None:
    """Hold a backend to the reference.

    Args:
        evaluate: called with a backend, an image and theta: one of the backend's ops with all else fixed.
    """
    expected = gradients(evaluate, Reference(), image, theta)
    actual = gradients(evaluate, backend, image, theta)
    for name, ours, theirs in zip(("values", "image gradient", "theta gradient"), actual, expected, strict=True):
        kind = "backend" if ours.dtype in (torch.float32, torch.float64) else "rounded"
        assert_matches(ours, theirs, kind, what=name)
