"""Which code follows particles through a velocity field: a compiled op where there is one, or the series themselves."""

from collections.abc import Callable, Sequence
from typing import TypeAlias, cast

import torch
from torch import Tensor

from unwarp._eager import transformed
from unwarp._typing import Float
from unwarp.transforms import trajectory

Op: TypeAlias = Callable[[Tensor, Tensor, Sequence[int], int], Tensor]
"""``(B, nodes, D)`` velocities, ``(B, P, D)`` points, boxes, stages -> ``(B, P, D)``, with its own derivative."""

_LOADERS: dict[str, Callable[[], Op | None]] = {}
_OPS: dict[str, Op | None] = {}


def provide(device: str, load: Callable[[], Op | None]) -> None:
    """Use an op for tensors on one type of device. `unwarp.backends` says so, when it is imported.

    Args:
        device: the type.
        load: gives the op, or ``None`` where it cannot be used; called once, when there is a tensor for it.
    """
    _LOADERS[device] = load
    _OPS.pop(device, None)


def follow(
    velocities: Float[Tensor, "*#batch nodes D"],
    points: Float[Tensor, "*#batch points D"],
    boxes: Sequence[int],
    stages: int,
) -> Float[Tensor, "*batch points D"]:
    """By how much particles are moved in time 1: see `trajectory.follow`.

    Forward mode and `torch.func` see the series, and so do exported graphs: other programs do not know the op.
    """
    op = _op(points.device.type)
    exporting = torch.compiler.is_exporting() or torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]
    if op is None or exporting or transformed() or 0 in (*velocities.shape, *points.shape):
        return trajectory.follow(velocities, points, boxes, stages)
    batch = cast("torch.Size", torch.broadcast_shapes(velocities.shape[:-2], points.shape[:-2]))
    field = velocities.expand(*batch, *velocities.shape[-2:]).reshape(-1, *velocities.shape[-2:])
    start = points.expand(*batch, *points.shape[-2:]).reshape(-1, *points.shape[-2:])
    return op(field, start, boxes, stages).reshape(*batch, *points.shape[-2:])


def _op(device: str) -> Op | None:
    if device not in _OPS:
        _OPS[device] = _LOADERS[device]() if device in _LOADERS else None
    return _OPS[device]
