"""Calls like one before, against those that nothing was kept for."""

import pytest
import torch
from torch import Tensor

from support.generators import generator
from unwarp import _repeats

__all__ = ["assert_repeats", "gradients"]


def gradients(call, *inputs: Tensor) -> tuple[Tensor, ...]:
    leaves = [leaf.detach().clone().requires_grad_() for leaf in inputs]
    result = call(*leaves)
    weights = torch.rand(result.shape, generator=generator(5), dtype=torch.float64).to(result)
    return result.detach(), *torch.autograd.grad(result, leaves, weights)


def assert_repeats(call, *inputs: Tensor) -> None:
    """Equal bits from a first call, from a later one, and from one that takes the way of all other calls."""
    first = gradients(call, *inputs)
    with torch.no_grad():
        call(*(torch.zeros_like(tensor) for tensor in inputs))
    repeated = gradients(call, *inputs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_repeats, "key", lambda *_: None)
        expected = gradients(call, *inputs)
    for one, two, three in zip(first, repeated, expected, strict=True):
        assert torch.equal(one, three)
        assert torch.equal(two, three)
