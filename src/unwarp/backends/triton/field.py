"""The ops that follow particles through a velocity field, as torch knows them: those of `csrc/field_ops.cpp`."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.library import wrap_triton  # pyright: ignore[reportUnknownVariableType]

from unwarp.backends import native_field
from unwarp.backends.triton import particles
from unwarp.backends.triton.interpreted import interpreted
from unwarp.transforms import trajectory

_BLOCK = 128
"""Particles a program follows at a time."""

_PROGRAMS = 1024
"""At most, of those that keep where their particles were: several for every multiprocessor of the largest GPUs."""

_RULE = {torch.float32: 5, torch.float64: 8}
"""Points of Gauss's rule. What is integrated changes by e^2 at most."""


def follow_field(velocities: Tensor, points: Tensor, boxes: Sequence[int], stages: int) -> Tensor:
    """By how much particles are moved in time 1."""
    field, start = velocities.contiguous(), _dense(points)
    batches, count = points.shape[:2]
    moved = torch.empty(points.shape, dtype=points.dtype, device=points.device)
    blocks = -(-count // _BLOCK)
    wrap_triton(particles.follow_kernel)[(batches * blocks,)](
        field,
        start,
        moved,
        count,
        velocities.shape[1],
        start.stride(0),
        blocks,
        stages,
        **_constants(points, boxes),
    )
    return moved


def follow_field_backward(
    grad: Tensor,
    velocities: Tensor,
    points: Tensor,
    boxes: Sequence[int],
    stages: int,
    velocities_needed: bool,
    points_needed: bool,
) -> tuple[Tensor, Tensor]:
    """Gradients of velocities and points; an empty tensor for one that is not needed."""
    field, start, upstream = velocities.contiguous(), _dense(points), grad.contiguous()
    batches, count, ndim = points.shape
    blocks = -(-count // _BLOCK)
    tasks = batches * blocks
    programs = min(tasks, _PROGRAMS)
    grad_field = torch.zeros(field.shape if velocities_needed else (0,), dtype=field.dtype, device=field.device)
    grad_start = points.new_empty(points.shape if points_needed else (0,))
    kept = points.new_empty(programs * stages * (ndim + 2) * _BLOCK)
    wrap_triton(particles.adjoint_kernel)[(programs,)](
        upstream,
        field,
        start,
        grad_field,
        grad_start,
        kept,
        count,
        velocities.shape[1],
        start.stride(0),
        blocks,
        tasks,
        stages,
        RULE=_RULE[points.dtype],
        VELOCITIES=velocities_needed,
        START=points_needed,
        **_constants(points, boxes),
    )
    return grad_field, grad_start


def _constants(points: Tensor, boxes: Sequence[int]) -> dict[str, Any]:
    dtype = points.dtype
    return {
        "BOXES": tuple(reversed(boxes)),
        "BEYOND": trajectory.BEYOND[dtype],
        "TERMS": trajectory.TERMS[dtype],
        "D": points.shape[2],
        "BLOCK": _BLOCK,
    }


def _dense(points: Tensor) -> Tensor:
    """Points that an expanded batch shares are read in place."""
    return points if points.stride(2) == 1 and points.stride(1) == points.shape[2] else points.contiguous()


def _define() -> None:
    define = cast(Callable[..., object], torch.library.custom_op if interpreted() else torch.library.triton_op)
    for function in (follow_field, follow_field_backward):
        define(f"unwarp_triton::{function.__name__}", function, mutates_args=())
    native_field.register("unwarp_triton", fake=interpreted())


_define()
