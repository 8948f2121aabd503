"""Ops of torch that ONNX has no name for, written with those it has."""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor

from unwarp._typing import Float
from unwarp.errors import UnsupportedError

__all__ = ["DECOMPOSITIONS"]


def _copysign(value: Tensor, sign: Tensor) -> Tensor:
    return torch.where(sign < 0, -value.abs(), value.abs())


def _clamp(value: Tensor, low: float | None = None, high: float | None = None) -> Tensor:
    """One bound at a time: of two numbers torch 2.13's exporter makes one a tensor, and refuses the pair."""
    raised = value if low is None else torch.clamp_min(value, low)
    return raised if high is None else torch.clamp_max(raised, high)


def _inverse(matrix: Float[Tensor, "*batch 3 3"], check_errors: bool = False) -> tuple[Tensor, Tensor]:
    """By cofactors, the cross products of two rows: infinite or NaN where the matrix is singular."""
    del check_errors
    if matrix.shape[-2:] != (3, 3):
        raise UnsupportedError(
            f"onnx: expected inverses of 3 x 3 matrices, got {tuple(matrix.shape[-2:])}. Export networks of pictures."
        )
    first, second = _turned(matrix, 1, dim=-2), _turned(matrix, 2, dim=-2)
    cofactors = _turned(first, 1, dim=-1) * _turned(second, 2, dim=-1)
    cofactors = cofactors - _turned(first, 2, dim=-1) * _turned(second, 1, dim=-1)
    determinant = (matrix * cofactors).sum(-1, keepdim=True)
    info = torch.zeros(matrix.shape[:-2], dtype=torch.int32, device=matrix.device)
    return (cofactors / determinant).mT, info


def _turned(matrix: Tensor, steps: int, *, dim: int) -> Tensor:
    """Rows or columns in a circle: number ``steps`` comes first."""
    return torch.cat([matrix.narrow(dim, steps, 3 - steps), matrix.narrow(dim, 0, steps)], dim=dim)


def _stable_sort(
    values: Tensor, *, stable: bool | None = None, dim: int = -1, descending: bool = False
) -> tuple[Tensor, Tensor]:
    """ONNX's TopK puts the lower index first where values are equal, which makes it a stable sort."""
    del stable
    return torch.topk(values, values.shape[dim], dim=dim, largest=descending, sorted=True)


def _stable_order(values: Tensor, *, stable: bool, dim: int = -1, descending: bool = False) -> Tensor:
    return _stable_sort(values, stable=stable, dim=dim, descending=descending)[1]


DECOMPOSITIONS: dict[Any, Callable[..., Any]] = {
    cast("Any", torch.ops.aten.clamp.default): _clamp,
    cast("Any", torch.ops.aten.copysign.Tensor): _copysign,
    cast("Any", torch.ops.aten.linalg_inv_ex.default): _inverse,
    cast("Any", torch.ops.aten.sort.stable): _stable_sort,
    cast("Any", torch.ops.aten.argsort.stable): _stable_order,
}
"""What `export_onnx` writes otherwise before it translates."""
