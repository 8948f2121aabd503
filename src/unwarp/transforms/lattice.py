"""Values on a regular lattice from -1 to 1, and what they are between its points."""

import itertools
import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from unwarp._typing import Float, Integer


def lattice_units(points: Float[Tensor, "*batch D"], counts: Sequence[int]) -> Float[Tensor, "*batch D"]:
    """Normalised points in units of the lattice spacing: -1 is 0, 1 is ``count - 1``; counts in tensor order."""
    steps = torch.tensor([(n - 1) / 2 for n in reversed(counts)], dtype=points.dtype, device=points.device)
    return (points + 1) * steps


def strides(counts: Sequence[int], like: Tensor) -> Tensor:
    """How far apart neighbours along x, y(, z) are in a flattened lattice."""
    steps = [math.prod(counts[len(counts) - axis :]) for axis in range(len(counts))]
    return torch.tensor(steps, dtype=torch.int64, device=like.device)


def cells(units: Float[Tensor, "*batch D"], counts: Sequence[int]) -> Float[Tensor, "*batch D"]:
    """The first corner of the cell that each point lies in, or of the nearest cell; whole numbers, without gradient.

    Never out of range, not even for NaN: what indexes memory must not depend on the data being sane.
    """
    last = torch.tensor([max(n - 2, 0) for n in reversed(counts)], dtype=units.dtype, device=units.device)
    return torch.minimum(torch.nan_to_num(units.detach(), 0.0).floor().clamp_min(0), last)


def interpolate(
    values: Float[Tensor, "*#batch nodes C"], units: Float[Tensor, "*#batch points D"], counts: Sequence[int]
) -> Float[Tensor, "*batch points C"]:
    """Multilinear interpolation, constant beyond the outermost lattice points.

    Args:
        values: at the lattice points, flattened with x fastest.
        units: positions in lattice units.
        counts: lattice points in tensor order.
    """
    last = torch.tensor([n - 1 for n in reversed(counts)], dtype=units.dtype, device=units.device)
    # Not clamp, which would pass a gradient at the border as well as beyond it.
    within = torch.where(units < 0, 0, torch.where(units > last, last, units))
    corner = cells(within, counts)
    fraction = within - corner
    first = (corner.to(torch.int64) * strides(counts, units)).sum(-1)
    weights = torch.stack([1 - fraction, fraction], dim=-1)
    total = torch.zeros_like(values[..., :1, :])
    for offsets in itertools.product(*(range(min(n, 2)) for n in reversed(counts))):
        index = first + sum(offset * math.prod(counts[len(counts) - axis :]) for axis, offset in enumerate(offsets))
        weight = torch.stack([weights[..., axis, offset] for axis, offset in enumerate(offsets)], dim=-1).prod(-1)
        total = total + weight[..., None] * gather_nodes(values, index)
    return total


def gather_nodes(
    values: Float[Tensor, "*#batch nodes C"], index: Integer[Tensor, "*#batch points"]
) -> Float[Tensor, "*batch points C"]:
    """The values at given nodes; batch dimensions broadcast."""
    batch = cast("torch.Size", torch.broadcast_shapes(values.shape[:-2], index.shape[:-1]))
    nodes, channels = values.shape[-2:]
    where = index.expand(*batch, index.shape[-1])[..., None].expand(*batch, index.shape[-1], channels)
    return values.expand(*batch, nodes, channels).gather(-2, where)
