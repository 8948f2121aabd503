"""The reference backend: the equations in plain torch, differentiable to any order. Every op is tested against it."""

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from unwarp import coordinates, padding
from unwarp._typing import Float, Integer, Shaped
from unwarp.backends.base import Case, Sampling


class Reference:
    """Plain torch. Covers every case; clarity before speed."""

    name = "reference"

    def missing(self) -> str | None:
        return None

    def refuses(self, case: Case) -> str | None:
        del case
        return None

    def sample_grid(
        self,
        image: Shaped[Tensor, "N channels *in"],
        grid: Float[Tensor, "T *out D"],
        scale: Sequence[float],
        sampling: Sampling,
        jacobian: Float[Tensor, "T *out D D"] | None = None,
    ) -> Shaped[Tensor, "T channels *out"]:
        del jacobian
        factors = torch.tensor(scale, dtype=grid.dtype, device=grid.device)
        return sample_positions(image, grid * factors, sampling)

    def warp_matrix(
        self,
        image: Shaped[Tensor, "N channels *in"],
        matrix: Float[Tensor, "T rows D1"],
        size: Sequence[int],
        sampling: Sampling,
    ) -> Shaped[Tensor, "T channels *size"]:
        points = coordinates.centred_grid(size, dtype=matrix.dtype, device=matrix.device)
        positions = coordinates.apply_matrix(matrix, points.flatten(0, -2), far=coordinates.FAR_PIXELS)
        return sample_positions(image, positions.unflatten(1, tuple(size)), sampling)

    def warp_basis(
        self,
        image: Shaped[Tensor, "N channels *in"],
        coefficients: Float[Tensor, "T K D"],
        basis: Float[Tensor, "points K"],
        ratio: Sequence[float],
        size: Sequence[int],
        sampling: Sampling,
    ) -> Shaped[Tensor, "T channels *size"]:
        points = coordinates.centred_grid(size, dtype=coefficients.dtype, device=coefficients.device).flatten(0, -2)
        undisplaced = points * torch.tensor(ratio, dtype=points.dtype, device=points.device)
        positions = undisplaced + basis @ coefficients
        return sample_positions(image, positions.unflatten(1, tuple(size)), sampling)


def sample_positions(
    image: Shaped[Tensor, "N channels *in"], centred: Float[Tensor, "T *out D"], sampling: Sampling
) -> Shaped[Tensor, "T channels *out"]:
    """V = sum over taps of U[tap] * k(x - tap) k(y - tap) ...: the paper's eq. 3 for any kernel, padding and dimension."""
    kernel = sampling.kernel
    source = kernel.prefilter(_accumulator(image, centred), sampling.padding, align_corners=sampling.align_corners)
    size, out = source.shape[2:], centred.shape[1:-1]
    positions = centred.flatten(1, -2) + torch.tensor(
        [(n - 1) / 2 for n in reversed(size)], dtype=centred.dtype, device=centred.device
    )
    undefined = _undefined(positions, sampling)
    safe = torch.where(undefined[..., None], 0, positions)
    taps = [_axis_taps(safe[..., axis], n, sampling) for axis, n in enumerate(reversed(size))]
    blended = _blend(source, taps, size)
    filled = _fill(blended, positions, size, sampling)
    return _poison(filled, positions, undefined).to(image.dtype).unflatten(2, out)


def _accumulator(image: Tensor, positions: Tensor) -> Tensor:
    """The image in the dtype in which it is blended; integer images only ever pass through unblended."""
    if not (image.is_floating_point() or image.is_complex()):
        return image
    return image.to(torch.promote_types(image.dtype, positions.dtype))


def _undefined(positions: Float[Tensor, "T points D"], sampling: Sampling) -> Tensor:
    """Mask of the samples that have no value: NaN positions, and infinite ones where the padding has no limit."""
    if padding.has_limit(sampling.padding):
        return positions.isnan().any(-1)
    return ~(positions.abs() <= padding.LARGEST_POSITION).all(-1)


def _axis_taps(
    position: Float[Tensor, "T points"], n: int, sampling: Sampling
) -> list[tuple[Integer[Tensor, "T points"], Float[Tensor, "T points"]]]:
    """Pixel index and weight of each tap along one axis."""
    kernel = sampling.kernel
    bounded = _bounded(position, n, sampling)
    anchor = kernel.anchor(bounded)
    weights = kernel.weights(bounded - anchor)
    first = anchor.to(torch.int64)
    taps = []
    for offset, weight in zip(kernel.offsets, weights.unbind(-1), strict=True):
        index = first + offset
        if sampling.padding == "zeros":
            weight = weight * padding.inside_taps(index, n)
        taps.append((padding.map_index(index, n, sampling.padding, align_corners=sampling.align_corners), weight))
    return taps


def _bounded(position: Tensor, n: int, sampling: Sampling) -> Tensor:
    """Positions that convert to an integer; what is clamped passes no gradient."""
    if sampling.padding == "border" and sampling.kernel.support <= 1:
        # Same values as clamping the taps, and the gradient is 0 at the border as well as beyond it.
        return torch.where((position > 0) & (position < n - 1), position, position.detach().clamp(0, n - 1))
    return position.clamp(-padding.LARGEST_POSITION, padding.LARGEST_POSITION)


def _blend(
    source: Shaped[Tensor, "N channels *in"], taps: Sequence[Sequence[tuple[Tensor, Tensor]]], size: Sequence[int]
):
    """Sum over the product of the axes' taps; ``taps`` is in x, y, z order."""
    strides = [math.prod(size[len(size) - axis :]) for axis in range(len(size))]
    flat = source.flatten(2)
    total: Tensor | None = None
    for combination in itertools.product(*taps):
        index = sum(tap * stride for (tap, _), stride in zip(combination, strides, strict=True))
        weight = math.prod((weight for _, weight in combination[1:]), start=combination[0][1])
        term = _weigh(_gather(flat, index), weight)
        total = term if total is None else total + term
    return total


def _gather(flat: Shaped[Tensor, "N channels pixels"], index: Integer[Tensor, "T points"]) -> Tensor:
    images, channels, _ = flat.shape
    warps = index.shape[0] // images
    source = flat[:, None].expand(-1, warps, -1, -1)
    where = index.unflatten(0, (images, warps))[:, :, None].expand(-1, -1, channels, -1)
    return source.gather(-1, where).flatten(0, 1)


def _weigh(values: Shaped[Tensor, "T channels points"], weight: Float[Tensor, "T points"]) -> Tensor:
    if values.is_floating_point() or values.is_complex():
        return values * weight[:, None]
    return torch.where(weight[:, None] > 0, values, 0)


def _fill(blended: Tensor, positions: Tensor, size: Sequence[int], sampling: Sampling) -> Tensor:
    if sampling.fill is None:
        return blended
    inside = torch.stack(
        [
            padding.inside_extent(positions[..., axis], n, align_corners=sampling.align_corners)
            for axis, n in enumerate(reversed(size))
        ]
    ).all(0)
    return torch.where(inside[:, None], blended, sampling.fill.to(blended.dtype)[:, None])


def _poison(blended: Tensor, positions: Tensor, undefined: Tensor) -> Tensor:
    """NaN where the sample is undefined, also in the gradient of its position, never in that of the image."""
    if not (blended.is_floating_point() or blended.is_complex()):
        return torch.where(undefined[:, None], 0, blended)
    finite = torch.nan_to_num(positions, 0.0, 0.0, 0.0).sum(-1)
    factor = torch.where(undefined, math.nan, 0.0).to(positions.dtype)
    return torch.where(undefined[:, None], 0, blended) + (finite * factor)[:, None]
