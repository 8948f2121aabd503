"""A C++ op, and what makes its argument of theta, as one step of autograd.

An operation of torch's own before the op has a record of its own, to be made and to be followed back. A few of them
cost as much as the op itself takes for a batch of digits.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple, Protocol, cast

import torch
from torch import Tensor

from unwarp.backends.base import Sampling
from unwarp.backends.native_ops import BackwardOp, Context, below_autograd, gradients
from unwarp.backends.reference import Reference

_REFERENCE = Reference()


class Placing(Protocol):
    """A linear map from theta to what the op takes: a matrix, or coefficients."""

    def place(self, theta: Tensor) -> Tensor:
        """The op's argument."""
        ...

    def adjoint(self, grad: Tensor) -> Tensor:
        """The gradient of theta, from that of the op's argument."""
        ...

    def differentiable(self, theta: Tensor, placed: Tensor) -> Tensor:
        """What `place` gave for theta, ``placed``, by operations that torch differentiates."""
        ...


class Scaled(NamedTuple):
    """A matrix between normalised coordinates, in pixels."""

    factors: Tensor

    def place(self, theta: Tensor) -> Tensor:
        return theta * self.factors

    def adjoint(self, grad: Tensor) -> Tensor:
        return grad * self.factors

    def differentiable(self, theta: Tensor, placed: Tensor) -> Tensor:
        del placed
        return self.place(theta)


class Extended(NamedTuple):
    """The numbers of a projective theta, and the matrix's last, which is 1."""

    factors: Tensor
    ones: Tensor

    def place(self, theta: Tensor) -> Tensor:
        rank = math.isqrt(theta.shape[1] + 1)
        return torch.cat([theta * self.factors, self.ones], dim=1).view(-1, rank, rank)

    def adjoint(self, grad: Tensor) -> Tensor:
        return grad.reshape(*grad.shape[:-2], -1)[..., :-1] * self.factors

    def differentiable(self, theta: Tensor, placed: Tensor) -> Tensor:
        del placed
        return self.place(theta)


class Displaced(NamedTuple):
    """Where control points go, from where they are."""

    control: Tensor
    scale: Tensor

    def place(self, theta: Tensor) -> Tensor:
        return (theta - self.control) * self.scale

    def adjoint(self, grad: Tensor) -> Tensor:
        return grad * self.scale

    def differentiable(self, theta: Tensor, placed: Tensor) -> Tensor:
        # The control points may have moved since: they are a buffer, which others write to.
        return placed + (theta - theta.detach()) * self.scale


class Call(NamedTuple):
    """All of a call but its tensors.

    Attributes:
        op: ``"warp_matrix"`` or ``"warp_basis"``.
        ratio: of a basis; empty for a matrix.
        options: the arguments behind the size; they stand for ``sampling``.
    """

    op: str
    placing: Placing
    ratio: tuple[float, ...]
    size: tuple[int, ...]
    options: tuple[Any, ...]
    sampling: Sampling

    def fixed(self, basis: tuple[Tensor, ...]) -> tuple[Any, ...]:
        """The arguments between the coefficients and the size."""
        return (*basis, self.ratio) if basis else ()


def run(call: Call, image: Tensor, theta: Tensor, *basis: Tensor) -> Tensor:
    """Evaluate a call where `unwarp._eager.eager` holds; equal bits to those of the steps one by one."""
    if torch.is_grad_enabled() and (image.requires_grad or theta.requires_grad):
        return _record(image, theta, call, *basis)
    with below_autograd():
        return _ops(call.op)[0](image, call.placing.place(theta), *call.fixed(basis), call.size, *call.options)


@cache
def _ops(name: str) -> tuple[Callable[..., Tensor], BackwardOp]:
    return getattr(torch.ops.unwarp, name).default, getattr(torch.ops.unwarp, f"{name}_backward").default


class _Recorded(torch.autograd.Function):
    """One call."""

    @staticmethod
    def forward(ctx: Context, image: Tensor, theta: Tensor, call: Call, *basis: Tensor) -> Tensor:
        with below_autograd():
            placed = call.placing.place(theta)
            ctx.options = [call]
            ctx.save_for_backward(image, theta if ctx.needs_input_grad[1] else None, placed, *basis)
            return _ops(call.op)[0](image, placed, *call.fixed(basis), call.size, *call.options)

    @staticmethod
    def backward(ctx: Context, *grads: Tensor) -> tuple[Tensor | None, ...]:
        image, theta, placed, *basis = ctx.saved_tensors
        call: Call = ctx.options[0]
        fixed = call.fixed(tuple(basis))

        def op(grad: Tensor, image: Tensor, theta: Tensor, *needed: bool) -> tuple[Tensor, Tensor]:
            del theta
            found = _ops(call.op)[1](grad, image, placed, *fixed, *call.options, *needed)
            return found[0], call.placing.adjoint(found[1]) if needed[1] else found[1]

        def reference(image: Tensor, theta: Tensor | None) -> Tensor:
            points = placed if theta is None else call.placing.differentiable(theta, placed)
            return getattr(_REFERENCE, call.op)(image, points, *fixed, call.size, call.sampling)

        return *gradients(ctx, grads[0], (image, theta), (), op, reference), None, *(None for _ in basis)


# Function.apply itself looks for surroundings first.
_record = cast("Callable[..., Tensor]", super(torch.autograd.Function, _Recorded).apply)  # pyright: ignore
