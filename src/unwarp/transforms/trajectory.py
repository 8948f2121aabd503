"""The way of particles through a continuous piecewise-affine velocity field.

Within a simplex v(x) = A x + b, and the way is the power series x(t) = x + sum_k t^k A^(k-1) v(x) / k!, cut off where
it no longer changes the result. A particle leaves its simplex when one of its barycentric weights, a series too,
reaches zero.

That time is found by iteration and then given its derivative by one differentiable Newton step. To first order it does
not matter: the field is continuous, so a particle may change simplices a little late. The second derivative does
depend on it, through the jump of A.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from unwarp._eager import eager
from unwarp._loops import loops_kept, repeated
from unwarp._typing import Float
from unwarp.transforms.lattice import gather_nodes
from unwarp.transforms.tessellation import Mesh, locate, mesh_of

_STEP = 1.0
"""Largest |tA| of one stage: with it the series below end within rounding."""

TERMS = {torch.float32: 10, torch.float64: 17}

BEYOND = {torch.float32: 4e-6, torch.float64: 1e-9}
"""How far (in barycentric weight) a particle goes beyond a face, so that it is found on the other side."""

SEARCH_TERMS = 6
"""Enough to find a root that one Newton step on the whole series makes exact."""

ITERATIONS = 5
TURN_ITERATIONS = 2


class _Series(NamedTuple):
    """Power series in time, coefficients along the last axis."""

    moved: Float[Tensor, "*batch points D terms"]
    weights: Float[Tensor, "*batch points D1 terms"]
    rate: Float[Tensor, "*batch points"]


def follow(
    velocities: Float[Tensor, "*#batch nodes D"],
    points: Float[Tensor, "*#batch points D"],
    boxes: Sequence[int],
    stages: int,
) -> Float[Tensor, "*batch points D"]:
    """By how much particles are moved in time 1: exactly 0 where the velocity is 0."""
    start = points + torch.zeros_like(velocities[..., :1, :])
    mesh = mesh_of(boxes, start)
    moved, left = torch.zeros_like(start), torch.ones_like(start[..., 0])

    def go_on(moved: Tensor, left: Tensor, *, may_leave: bool = True) -> tuple[Tensor, Tensor]:
        series = _expand(velocities, start + moved, mesh)
        step = _time_in_simplex(series, left, may_leave=may_leave)
        return moved + _evaluate(series.moved, step[..., None]), left - step

    if loops_kept():
        moved, left = repeated(go_on, (moved, left), stages - 1)
    else:
        for _ in range(stages - 1):
            if _arrived(left):
                return moved
            moved, left = go_on(moved, left)
    return moved if _arrived(left) else go_on(moved, left, may_leave=False)[0]


def _arrived(left: Float[Tensor, "*batch points"]) -> bool:
    """Whether no particle has time left; what traces, sees no numbers and goes through all stages."""
    return eager(left) and not left.is_meta and not bool((left > 0).any())


def _expand(
    velocities: Float[Tensor, "*#batch nodes D"], points: Float[Tensor, "*#batch points D"], mesh: Mesh
) -> _Series:
    """Way and barycentric weights of particles that start now."""
    found = locate(points, mesh)
    corners = gather_nodes(velocities, found.nodes.flatten(-2)).reshape(*found.nodes.shape, len(mesh.counts))
    slopes = found.slopes
    matrix = (corners[..., :, :, None] * slopes[..., :, None, :]).sum(-3)
    term = (found.weights[..., None] * corners).sum(-2)
    terms = [term]
    for order in range(2, TERMS[points.dtype] + 1):
        terms.append((matrix * terms[-1][..., None, :]).sum(-1) / order)
    way = torch.stack(terms, dim=-1)
    weights = (slopes[..., None] * way[..., None, :, :]).sum(-2)
    rate = matrix.abs().sum(-1).amax(-1)
    moved = torch.cat([torch.zeros_like(term[..., None]), way], dim=-1)
    return _Series(moved, torch.cat([found.weights[..., None], weights], dim=-1), rate)


def _time_in_simplex(series: _Series, left: Float[Tensor, "*batch points"], *, may_leave: bool) -> Tensor:
    """Until the particle leaves, its time is over, or the series would need more terms."""
    longest = torch.minimum(left, _STEP / series.rate.clamp_min(1e-3))
    if not may_leave:
        return longest
    beyond = BEYOND[left.dtype]
    weights = torch.cat([series.weights[..., :1] + beyond, series.weights[..., 1:]], dim=-1)
    found, face = _first_root(weights.detach(), longest.detach())
    # Not take_along_dim, which makes a batch that is unknown while torch exports a constant.
    index = face[..., None, None].expand(*face.shape, 1, weights.shape[-1])
    crossed = weights.gather(-2, index).squeeze(-2)
    exact = found - _evaluate(crossed, found) / _steep(_evaluate(_derivative(crossed), found))
    trusted = (exact > 0) & (exact < longest)
    return torch.where(found < longest, torch.where(trusted, exact, found), longest)


def _first_root(series: Float[Tensor, "*batch D1 terms"], end: Float[Tensor, "*batch"]) -> tuple[Tensor, Tensor]:
    """The first time at which one of the series is zero and which one it is; ``end`` where none is negative then."""
    short = _with_slope(series[..., :SEARCH_TERMS])
    late = _lowest(short, end[..., None].expand(series.shape[:-1]))
    leaves = _evaluate(series, late) < 0
    early = torch.zeros_like(late)
    # From the start, where most exits of a particle that is close to a face are found at once.
    straight = series[..., 0] / -_steep(series[..., 1])
    time = torch.where((straight > 0) & (straight < late), straight, late)
    for _ in range(ITERATIONS):
        value, slope = _evaluate(short, time).unbind(0)
        early, late = torch.where(value > 0, time, early), torch.where(value > 0, late, time)
        newton = time - value / _steep(slope)
        time = torch.where((newton >= early) & (newton <= late), newton, (early + late) / 2)
    times = torch.where(leaves, time, end[..., None])
    first, face = times.min(dim=-1)
    return first, face


def _lowest(series: Float[Tensor, "2 *batch terms"], end: Float[Tensor, "*batch"]) -> Tensor:
    """When a series is lowest: in between if it falls first and rises later (a particle may leave and come back)."""
    bending = _with_slope(series[1])
    falls, rises = -bending[0, ..., 0], _evaluate(bending[0], end)
    turns = (falls > 0) & (rises > 0)
    time = end * falls / torch.where(turns, falls + rises, 1)
    for _ in range(TURN_ITERATIONS):
        slope, bend = _evaluate(bending, time).unbind(0)
        time = (time - slope / _steep(bend)).clamp_min(0).minimum(end)
    return torch.where(turns, time, end)


def _with_slope(series: Float[Tensor, "*batch terms"]) -> Float[Tensor, "2 *batch terms"]:
    """A series and its derivative, to be evaluated together."""
    return torch.stack([series, torch.cat([_derivative(series), torch.zeros_like(series[..., :1])], dim=-1)])


def _evaluate(series: Float[Tensor, "*batch terms"], time: Float[Tensor, "*#batch"]) -> Tensor:
    """Horner's rule."""
    terms = series.unbind(-1)
    total = terms[-1]
    for term in reversed(terms[:-1]):
        total = total * time + term
    return total


def _derivative(series: Float[Tensor, "*batch terms"]) -> Tensor:
    factors = torch.arange(1, series.shape[-1], dtype=series.dtype, device=series.device)
    return series[..., 1:] * factors


def _steep(slope: Tensor) -> Tensor:
    """The slope, with the tiny ones replaced so that nothing is divided by zero."""
    return torch.where(slope.abs() < 1e-9, -1, slope)
