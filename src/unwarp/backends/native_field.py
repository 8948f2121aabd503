"""The op that follows particles through a velocity field, for `unwarp.transforms.Diffeomorphic`: in C++, or in Triton.

Its first derivative is an op too; higher ones are those of the series in `unwarp.transforms.trajectory`.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from unwarp.backends.native_ops import Context, gradients
from unwarp.transforms import trajectory


def register(namespace: str, *, fake: bool = True) -> None:
    """Tell torch about one implementation of the op. Call once, after it is defined.

    Args:
        namespace: of the op in `torch.ops`. All namespaces share the schemas in ``csrc/field_ops.cpp``.
        fake: whether to say the results' shapes, which tracing needs; not where it sees the implementation itself.
    """
    if fake:
        torch.library.register_fake(f"{namespace}::follow_field", _fake)
        torch.library.register_fake(f"{namespace}::follow_field_backward", _fake_backward)
    packet = getattr(torch.ops, namespace)
    adjoint = packet.follow_field_backward.default

    def backward(ctx: Context, grad: Tensor) -> tuple[Tensor | None, ...]:
        boxes, stages = ctx.options

        def reference(velocities: Tensor, points: Tensor) -> Tensor:
            return trajectory.follow(velocities, points, boxes, stages)

        velocities, points = ctx.saved_tensors
        with torch.set_grad_enabled(torch.is_grad_enabled() or _must_repeat(grad)):
            found = gradients(ctx, grad, (velocities, points), (boxes, stages), adjoint, reference)
        return *found, None, None

    torch.library.register_autograd(f"{namespace}::follow_field", backward, setup_context=_save)


def built() -> bool:
    """Whether the C++ library has the op: one built from an older source does not."""
    return hasattr(torch.ops.unwarp, "follow_field")


def _must_repeat(grad: Tensor) -> bool:
    """Whether the order of additions must not show: on a GPU the op adds to the velocities' gradient by atomics."""
    return grad.is_cuda and torch.are_deterministic_algorithms_enabled()


def _save(ctx: Context, inputs: tuple[Any, ...], output: Tensor) -> None:
    del output
    velocities, points, *ctx.options = inputs
    ctx.save_for_backward(velocities, points)


def _fake(velocities: Tensor, points: Tensor, boxes: Sequence[int], stages: int) -> Tensor:
    del velocities, boxes, stages
    return points.new_empty(points.shape)


def _fake_backward(grad: Tensor, velocities: Tensor, points: Tensor, *arguments: object) -> tuple[Tensor, Tensor]:
    del grad
    velocities_needed, points_needed = arguments[-2:]
    return (
        velocities.new_empty(velocities.shape if velocities_needed else (0,)),
        points.new_empty(points.shape if points_needed else (0,)),
    )
