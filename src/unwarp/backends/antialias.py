"""Anti-aliased sampling: a kernel stretched by the map's local Jacobian, its weights normalised.

V[p] = sum over pixels q of U[q] k(S^-1 (x - q)) / sum over q of k(S^-1 (x - q)), x = T(p), k the product of the kernel
over the axes and S from `unwarp.backends.stretch`. The sums run over the padded image, so that with zeros the pixels
outside count, as zeros. Where S is diagonal this is the separable filter of `torch.nn.functional.interpolate` with
``antialias=True``; where it is the unit matrix it is plain sampling.

The pixels that one sample reads form a parallelepiped: a box along all axes but x, and for each of its rows a run of
pixels along x. Samples with boxes of similar size are evaluated together.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint  # pyright: ignore[reportUnknownVariableType]: torch leaves it untyped

from unwarp import padding
from unwarp._typing import Float, Integer, Shaped
from unwarp.backends.base import Sampling
from unwarp.backends.padded_rows import PaddedRows
from unwarp.backends.stretch import inverse, stretch
from unwarp.backends.taps import blend_taps
from unwarp.errors import UnsupportedError
from unwarp.kernels import AbstractKernel

_BUDGET = 2**17
"""Weights held at a time: what stays in a core's cache."""

_COMPILED_BUDGET = 2**24
"""The same in a compiled graph, which holds the operations of every part: few parts, though larger ones."""

_BUCKET = 1.2
"""Boxes are evaluated together if along each axis their sizes lie between the same powers of this."""


@dataclass(frozen=True)
class _Footprint:
    """What each sample reads; all in x, y, z order, a leading axis for the samples of all warps."""

    position: Float[Tensor, "samples D"]
    inverse: Float[Tensor, "samples D D"]
    first: Float[Tensor, "samples D-1"]
    image: Integer[Tensor, "samples"]

    def select(self, rows: Tensor) -> "_Footprint":
        parts = (self.position, self.inverse, self.first, self.image)
        return _Footprint(*(part.index_select(0, rows) for part in parts))


def blend_antialiased(
    source: Shaped[Tensor, "N channels *in"],
    positions: Float[Tensor, "T points D"],
    jacobian: Float[Tensor, "T points D D"],
    size: Sequence[int],
    sampling: Sampling,
) -> Shaped[Tensor, "T channels points"]:
    """Blend with the kernel stretched where the map shrinks; plainly where it shrinks nowhere.

    Args:
        positions: pixels, none of them NaN.
        size: of the image; no kernel is stretched by more pixels than it has along its longest axis.
    """
    limit = float(max(size)) if sampling.antialias is True else min(sampling.antialias, float(max(size)))
    shape = stretch(jacobian, limit)
    if _nothing_shrinks(shape, sampling):
        return blend_taps(source, positions, sampling)
    within = positions.clamp(-padding.LARGEST_POSITION, padding.LARGEST_POSITION)
    blended, total = _blend_stretched(source, within, shape, sampling, limit)
    if sampling.kernel.support**2 >= len(size) / 4:  # then a pixel always lies within the kernel
        return blended
    return torch.where((total == 0)[:, None], blend_taps(source, positions, sampling), blended)


def _nothing_shrinks(shape: Tensor, sampling: Sampling) -> bool:
    if sampling.antialias is not True:
        return False
    if _traced():
        raise _unknown_size()
    try:
        return bool((shape == torch.eye(shape.shape[-1], dtype=shape.dtype, device=shape.device)).all())
    except RuntimeError as error:
        raise _unknown_size() from error


def _blend_stretched(
    source: Shaped[Tensor, "N channels *in"],
    positions: Float[Tensor, "T points D"],
    shape: Float[Tensor, "T points D D"],
    sampling: Sampling,
    limit: float,
) -> tuple[Shaped[Tensor, "T channels points"], Float[Tensor, "T points"]]:
    """The blend, and the sum of each sample's weights before they are normalised."""
    warps, points, ndim = positions.shape
    centre, shape = positions.flatten(0, 1), shape.flatten(0, 1)
    per_image = warps // source.shape[0] * points
    # Here and below not len(), which makes a batch that is unknown while torch exports a constant.
    image = torch.arange(centre.shape[0], device=source.device).div(per_image, rounding_mode="floor")
    radius = sampling.kernel.support
    unstretched = inverse(shape)
    first, counts = _boxes(centre.detach(), shape.detach(), unstretched.detach(), radius)
    footprint = _Footprint(centre, unstretched, first, image)

    parts: list[tuple[Tensor, Tensor]] = []
    order: list[Tensor] = []
    for rows, box in _groups(counts, sampling, limit, ndim):
        table = PaddedRows(source, box[0], sampling)
        for chunk in _chunks(rows, box):
            alone = chunk.shape[0] == centre.shape[0]
            parts.append(_evaluate(footprint.select(chunk), box, table, sampling.kernel, alone=alone))
            order.append(chunk)
    back = torch.cat(order).argsort()
    blended = torch.cat([part for part, _ in parts], dim=1).index_select(1, back)
    total = torch.cat([weight for _, weight in parts]).index_select(0, back)
    return torch.unflatten(blended, 1, (warps, points)).movedim(0, 1), total.view(warps, points)


def _boxes(
    centre: Tensor, shape: Tensor, unstretched: Tensor, radius: float
) -> tuple[Float[Tensor, "samples D-1"], Integer[Tensor, "samples D"]]:
    """First pixel of each sample's box along all axes but x, and its size along all axes."""
    half = radius * shape.abs().sum(-1)
    first = (centre - half).ceil()[:, 1:]
    outer = (centre + half).floor()[:, 1:] - first + 1
    run = (2 * radius / unstretched[:, :1, 0]).floor() + 1
    return first, torch.cat([run, outer], dim=1).to(torch.int64)


def _groups(
    counts: Integer[Tensor, "samples D"], sampling: Sampling, limit: float, ndim: int
) -> Iterator[tuple[Integer[Tensor, "rows"], list[int]]]:
    """Samples with boxes of similar size, and the box that holds them all."""
    everything = torch.arange(counts.shape[0], device=counts.device)
    if sampling.antialias is not True:
        reach = 2 * sampling.kernel.support * limit
        yield everything, [math.floor(reach) + 1] + [math.floor(reach * math.sqrt(ndim)) + 1] * (ndim - 1)
        return
    bucket = (counts.to(torch.float64).log() / math.log(_BUCKET)).ceil().to(torch.int64)
    key = (bucket * 1000 ** torch.arange(ndim, device=counts.device)).sum(-1)
    kinds = cast(list[int], torch.unique(key).tolist())
    for kind in kinds:
        rows = everything if len(kinds) == 1 else (key == kind).nonzero()[:, 0]
        yield rows, counts.index_select(0, rows).amax(0).tolist()


def _chunks(rows: Integer[Tensor, "rows"], box: Sequence[int]) -> Sequence[Tensor]:
    """Samples that are evaluated at once: all of them in a graph that is exported, for any batch."""
    if torch.compiler.is_exporting():
        return (rows,)
    budget = _COMPILED_BUDGET if torch.compiler.is_compiling() else _BUDGET
    return torch.split(rows, max(1, budget // math.prod(box)))


def _unknown_size() -> UnsupportedError:
    return UnsupportedError(
        "antialias: with antialias=True the size of the kernel's window is read from the data, which torch.export, "
        "torch.jit.trace, vmap and, but for fused ops, torch.compile do not allow. "
        "Give the largest shrink instead, for example antialias=8.0."
    )


def _evaluate(
    footprint: _Footprint, box: Sequence[int], table: PaddedRows, kernel: AbstractKernel, *, alone: bool
) -> tuple[Shaped[Tensor, "channels samples"], Float[Tensor, "samples"]]:
    """The blend of one group; recomputed in the backward pass where there is more than one, to bound the memory."""
    # What a compiled graph computes again, its compiler decides.
    if alone or not torch.is_grad_enabled() or _traced() or not _hooks_allowed():
        return _blend(footprint, box, table, table.values, kernel)
    held = _HeldKernel(kernel)
    # What the kernel is now: it may be another one when the backward pass recomputes.
    learned = {name: value.clone() for name, value in (*held.named_parameters(), *held.named_buffers())}

    def blend(position: Tensor, unstretched: Tensor, values: Tensor, *options: Tensor) -> tuple[Tensor, Tensor]:
        part = _Footprint(position, unstretched, footprint.first, footprint.image)
        given = dict(zip(learned, options, strict=True))
        return cast(tuple[Tensor, Tensor], functional_call(held, given, (part, box, table, values)))

    arguments = (footprint.position, footprint.inverse, table.values, *learned.values())
    return cast(tuple[Tensor, Tensor], checkpoint(blend, *arguments, use_reentrant=False, preserve_rng_state=False))


class _HeldKernel(nn.Module):
    """`_blend` as a module, whose kernel `torch.func.functional_call` can give other parameters."""

    def __init__(self, kernel: AbstractKernel) -> None:
        super().__init__()
        self.kernel = kernel

    def forward(
        self, footprint: _Footprint, box: Sequence[int], table: PaddedRows, values: Tensor
    ) -> tuple[Tensor, Tensor]:
        return _blend(footprint, box, table, values, self.kernel)


def _traced() -> bool:
    return torch.compiler.is_compiling() or torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]


def _hooks_allowed() -> bool:
    """Whether a checkpoint can be made here; not within torch.func's transforms."""
    try:
        with torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor, lambda tensor: tensor):
            return True
    except RuntimeError:
        return False


def _blend(
    footprint: _Footprint, box: Sequence[int], table: PaddedRows, values: Tensor, kernel: AbstractKernel
) -> tuple[Tensor, Tensor]:
    """``values`` is the table's, as an argument of its own for the checkpoint."""
    outer, offsets = _outer_axes(footprint, box)
    unstretched = footprint.inverse.reshape(footprint.image.shape[0], *(1,) * len(outer), *footprint.inverse.shape[1:])
    # Distances k is evaluated at, but for the part of x: one for each axis of k.
    at_x = torch.zeros_like(unstretched[..., 0, 0])
    fixed = [sum((unstretched[..., k, j + 1] * d for j, d in enumerate(offsets)), at_x) for k in range(len(box))]
    x = _broadcast(footprint.position[:, 0], len(outer))
    start = (x + (fixed[0].detach() - kernel.support) / unstretched[..., 0, 0]).detach().ceil()
    steps = torch.arange(box[0], device=start.device)
    slopes = unstretched[..., 0].unbind(-1)
    along = [
        (shift + slope * (x - start))[..., None] - slope[..., None] * steps
        for shift, slope in zip(fixed, slopes, strict=True)
    ]
    weights = reduce(torch.mul, map(kernel, along))
    row = table.row(_broadcast(footprint.image, len(outer)), outer)
    first = row * table.width + table.column(start.to(torch.int64))
    taken = _runs(values, first.flatten(), steps).view(len(values), footprint.image.shape[0], -1)
    flat = weights.flatten(1)
    total = flat.sum(-1)
    return (taken * flat).sum(-1) / torch.where(total == 0, 1, total), total.detach()


def _runs(
    values: Float[Tensor, "channels pixels"], first: Integer[Tensor, "runs"], steps: Integer[Tensor, "run"]
) -> Float[Tensor, "channels runs*run"]:
    """Runs of consecutive values; ``steps`` is ``0, 1, ...``."""
    channels, pixels = values.shape
    if values.requires_grad:  # the other way's gradient would hold a run for every pixel
        return values.gather(1, (first[:, None] + steps).flatten().expand(channels, -1))
    starts = first + pixels * torch.arange(channels, device=first.device)[:, None]
    return values.flatten().unfold(0, len(steps), 1).index_select(0, starts.flatten()).view(channels, -1)


def _outer_axes(footprint: _Footprint, box: Sequence[int]) -> tuple[list[Tensor], list[Tensor]]:
    """Pixel index along y and z, and the sample's distance from it; each broadcasts to ``(samples, z, y)``."""
    indices: list[Tensor] = []
    offsets: list[Tensor] = []
    for axis in range(1, len(box)):
        shape = [-1, *(1,) * (len(box) - 1)]
        shape[len(box) - axis] = box[axis]
        steps = torch.arange(box[axis], device=footprint.first.device)
        pixel = (footprint.first[:, axis - 1, None] + steps).view(-1, *shape[1:])
        indices.append(pixel.to(torch.int64))
        offsets.append(_broadcast(footprint.position[:, axis], len(box) - 1) - pixel)
    return indices, offsets


def _broadcast(values: Tensor, axes: int) -> Tensor:
    return values.view(-1, *(1,) * axes)
