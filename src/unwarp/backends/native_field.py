"""The C++ op that follows particles through a velocity field, for `unwarp.transforms.Diffeomorphic`.

Its first derivative is an op too; higher ones are those of the series in `unwarp.transforms.trajectory`.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from unwarp.backends.native_ops import Context, gradients
from unwarp.transforms import integration, trajectory


def register(namespace: str) -> None:
    """Tell torch about the op, and the transform that there is one."""
    if not hasattr(getattr(torch.ops, namespace), "follow_field"):
        return  # the library was built from an older source
    torch.library.register_fake(f"{namespace}::follow_field", _fake)
    torch.library.register_fake(f"{namespace}::follow_field_backward", _fake_backward)
    packet = getattr(torch.ops, namespace)
    adjoint = packet.follow_field_backward.default

    def backward(ctx: Context, grad: Tensor) -> tuple[Tensor | None, ...]:
        boxes, stages = ctx.options

        def reference(velocities: Tensor, points: Tensor) -> Tensor:
            return trajectory.follow(velocities, points, boxes, stages)

        velocities, points = ctx.saved_tensors
        found = gradients(ctx, grad, (velocities, points), (boxes, stages), adjoint, reference)
        return *found, None, None

    torch.library.register_autograd(f"{namespace}::follow_field", backward, setup_context=_save)
    integration.provide("cpu", packet.follow_field.default)


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
