"""A C++ op, and what makes its argument of theta, as one step of autograd.

An operation of torch's own before the op has a record of its own, to be made and to be followed back. A few of them
cost as much as the op itself takes for a batch of digits.
"""

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
        """The op's argument: by operations that torch can differentiate."""
        ...

    def adjoint(self, grad: Tensor) -> Tensor:
        """The gradient of theta, from that of the op's argument."""
        ...


class Call(NamedTuple):
    """All of a call but the image and theta.

    Attributes:
        op: ``"warp_matrix"`` or ``"warp_basis"``.
        fixed: arguments between the coefficients and the size: a basis and its ratio.
        options: arguments behind the size; they stand for ``sampling``.
    """

    op: str
    placing: Placing
    fixed: tuple[Any, ...]
    size: tuple[int, ...]
    options: tuple[Any, ...]
    sampling: Sampling


def run(call: Call, image: Tensor, theta: Tensor) -> Tensor:
    """Evaluate a call where `unwarp._eager.eager` holds; equal bits to those of the steps one by one."""
    if torch.is_grad_enabled() and (image.requires_grad or theta.requires_grad):
        return _record(image, theta, call)
    with below_autograd():
        return _ops(call.op)[0](image, call.placing.place(theta), *call.fixed, call.size, *call.options)


@cache
def _ops(name: str) -> tuple[Callable[..., Tensor], BackwardOp]:
    return getattr(torch.ops.unwarp, name).default, getattr(torch.ops.unwarp, f"{name}_backward").default


class _Recorded(torch.autograd.Function):
    """One call."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, theta: Tensor, call: Call) -> Tensor:  # noqa: ANN401 - a `Context`
        with below_autograd():
            placed = call.placing.place(theta)
            ctx.call = call
            ctx.save_for_backward(image, theta, placed)
            return _ops(call.op)[0](image, placed, *call.fixed, call.size, *call.options)

    @staticmethod
    def backward(ctx: Context, *grads: Tensor) -> tuple[Tensor | None, ...]:
        image, theta, placed = ctx.saved_tensors
        call = cast("Call", ctx.call)  # pyright: ignore

        def op(grad: Tensor, image: Tensor, theta: Tensor, *needed: bool) -> tuple[Tensor, Tensor]:
            del theta
            found = _ops(call.op)[1](grad, image, placed, *call.fixed, *call.options, *needed)
            return found[0], call.placing.adjoint(found[1]) if needed[1] else found[1]

        def reference(image: Tensor, theta: Tensor) -> Tensor:
            evaluate = getattr(_REFERENCE, call.op)
            return evaluate(image, call.placing.place(theta), *call.fixed, call.size, call.sampling)

        return *gradients(ctx, grads[0], (image, theta), (), op, reference), None


# Function.apply itself looks for surroundings first.
_record = cast("Callable[..., Tensor]", super(torch.autograd.Function, _Recorded).apply)  # pyright: ignore
