"""The reference backend: the equations in plain torch, differentiable to any order. Every op is tested against it."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from unwarp import coordinates, padding
from unwarp._typing import Float, Shaped
from unwarp.backends.antialias import blend_antialiased
from unwarp.backends.base import Case, Sampling, wide_enough
from unwarp.backends.jacobian import of_grid, of_matrix
from unwarp.backends.taps import blend_taps


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
        grid = wide_enough(grid, image)
        positions = grid * coordinates.vector(scale, like=grid)
        if sampling.antialias and jacobian is None:
            jacobian = of_grid(positions)
        return sample_positions(image, positions, sampling, jacobian)

    def warp_matrix(
        self,
        image: Shaped[Tensor, "N channels *in"],
        matrix: Float[Tensor, "T rows D1"],
        size: Sequence[int],
        sampling: Sampling,
    ) -> Shaped[Tensor, "T channels *size"]:
        matrix = wide_enough(matrix, image)
        points = coordinates.centred_grid(size, dtype=matrix.dtype, device=matrix.device).flatten(0, -2)
        positions = coordinates.apply_matrix(matrix, points, far=coordinates.FAR_PIXELS)
        jacobian = torch.unflatten(of_matrix(matrix, points, positions), 1, tuple(size)) if sampling.antialias else None
        return sample_positions(image, torch.unflatten(positions, 1, tuple(size)), sampling, jacobian)

    def warp_basis(
        self,
        image: Shaped[Tensor, "N channels *in"],
        coefficients: Float[Tensor, "T K D"],
        basis: Float[Tensor, "points K"],
        ratio: Sequence[float],
        size: Sequence[int],
        sampling: Sampling,
    ) -> Shaped[Tensor, "T channels *size"]:
        coefficients = wide_enough(coefficients, image)
        basis = basis.to(coefficients.dtype)
        points = coordinates.centred_grid(size, dtype=coefficients.dtype, device=coefficients.device).flatten(0, -2)
        undisplaced = points * coordinates.vector(ratio, like=points)
        positions = undisplaced + basis @ coefficients
        return sample_positions(image, torch.unflatten(positions, 1, tuple(size)), sampling)


def sample_positions(
    image: Shaped[Tensor, "N channels *in"],
    centred: Float[Tensor, "T *out D"],
    sampling: Sampling,
    jacobian: Float[Tensor, "T *out D D"] | None = None,
) -> Shaped[Tensor, "T channels *out"]:
    """The paper's eq. 3 for any kernel, padding and dimension; anti-aliased where a Jacobian is given."""
    kernel = sampling.kernel
    source = kernel.prefilter(_accumulator(image, centred), sampling.padding, align_corners=sampling.align_corners)
    out = centred.shape[1:-1]
    positions = centred.flatten(1, -2) + coordinates.vector(
        [(n - 1) / 2 for n in reversed(source.shape[2:])], like=centred
    )
    undefined = _undefined(positions, sampling)
    safe = torch.where(undefined[..., None], 0, positions)
    if jacobian is None:
        blended = blend_taps(source, safe, sampling)
    else:
        blended = blend_antialiased(source, safe, jacobian.flatten(1, -3), image.shape[2:], sampling)
    filled = _fill(blended, centred.flatten(1, -2), image.shape[2:], sampling)
    return torch.unflatten(_poison(filled, positions, undefined).to(image.dtype), 2, out)


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


def _fill(blended: Tensor, centred: Float[Tensor, "T points D"], size: Sequence[int], sampling: Sampling) -> Tensor:
    """Give samples whose own position lies outside of the image the fill value."""
    if sampling.fill is None:
        return blended
    aligned = sampling.align_corners
    inside = [
        padding.inside_extent(centred[..., axis] + (n - 1) / 2, n, align_corners=aligned)
        for axis, n in enumerate(reversed(size))
    ]
    return torch.where(torch.stack(inside).all(0)[:, None], blended, sampling.fill.to(blended.dtype)[:, None])


def _poison(blended: Tensor, positions: Tensor, undefined: Tensor) -> Tensor:
    """NaN where the sample is undefined, also in the gradient of its position, never in that of the image."""
    if not (blended.is_floating_point() or blended.is_complex()):
        return torch.where(undefined[:, None], 0, blended)
    finite = torch.nan_to_num(positions, 0.0, 0.0, 0.0)
    factor = torch.where(undefined, math.nan, 0.0).to(positions.dtype)
    # Multiplied before the sum, which may overflow, and infinity times 0 is NaN.
    return torch.where(undefined[:, None], 0, blended) + (finite * factor[..., None]).sum(-1)[:, None]
