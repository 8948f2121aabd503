"""torch's own `grid_sample`, behind the same protocol: for comparison, and made safe where torch is not.

torch 2.13 on CPU crashes in the backward pass on NaN grids and returns garbage for half-precision images above about
128 pixels. Here undefined positions never reach it, and half-precision images are refused.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from unwarp import coordinates, padding
from unwarp._typing import Float, Shaped
from unwarp.backends.base import Case, Sampling
from unwarp.kernels import Cubic, Linear, Nearest

_CUBIC_A = -0.75


class Aten:
    """`torch.nn.functional.grid_sample`. Rounds coordinates its own way: an identity transform is not exact."""

    name = "aten"

    def missing(self) -> str | None:
        return None

    def refuses(self, case: Case) -> str | None:
        kernel = case.sampling.kernel
        if case.ndim not in (2, 3):
            return "torch samples images of 2 and 3 dimensions"
        if type(kernel) not in (Nearest, Linear, Cubic):
            return f"torch has no {kernel.name} kernel"
        if isinstance(kernel, Cubic) and (case.ndim != 2 or kernel.a != _CUBIC_A):
            return f"torch has a cubic kernel in 2 dimensions with a={_CUBIC_A} only"
        if case.sampling.padding not in ("zeros", "border", "reflection"):
            return f"torch has no {case.sampling.padding} padding"
        if case.sampling.antialias:
            return "torch has no anti-aliasing"
        if case.image_dtype not in (torch.float32, torch.float64):
            return f"torch needs a float32 or float64 image, got {case.image_dtype}"
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
        extents = coordinates.half_extents(image.shape[2:], align_corners=sampling.align_corners)
        factors = [given / extent if extent > 0 else 0.0 for given, extent in zip(scale, extents, strict=True)]
        limits = [padding.LARGEST_POSITION / extent if extent > 0 else 1.0 for extent in extents]
        normalised = (grid * coordinates.vector(factors, like=grid)).flatten(1, -2)
        sampled = _grid_sample(image, normalised, coordinates.vector(limits, like=grid), sampling)
        return sampled.reshape(grid.shape[0], image.shape[1], *grid.shape[1:-1])

    def warp_matrix(
        self,
        image: Shaped[Tensor, "N channels *in"],
        matrix: Float[Tensor, "T rows D1"],
        size: Sequence[int],
        sampling: Sampling,
    ) -> Shaped[Tensor, "T channels *size"]:
        points = coordinates.centred_grid(size, dtype=matrix.dtype, device=matrix.device).flatten(0, -2)
        positions = coordinates.apply_matrix(matrix, points, far=coordinates.FAR_PIXELS)
        return self.sample_grid(image, positions.reshape(-1, *size, len(size)), (1.0,) * len(size), sampling)

    def warp_basis(
        self,
        image: Shaped[Tensor, "N channels *in"],
        coefficients: Float[Tensor, "T K D"],
        basis: Float[Tensor, "points K"],
        ratio: Sequence[float],
        size: Sequence[int],
        sampling: Sampling,
    ) -> Shaped[Tensor, "T channels *size"]:
        points = coordinates.centred_grid(size, dtype=basis.dtype, device=basis.device).flatten(0, -2)
        positions = points * coordinates.vector(ratio, like=basis) + basis @ coefficients
        return self.sample_grid(image, positions.reshape(-1, *size, len(size)), (1.0,) * len(size), sampling)


def _grid_sample(
    image: Shaped[Tensor, "N channels *in"],
    grid: Float[Tensor, "T points D"],
    limits: Float[Tensor, "D"],
    sampling: Sampling,
) -> Shaped[Tensor, "T channels points"]:
    """Torch's own, of positions within ``limits``: beyond, its conversion to 32-bit integers overflows."""
    dtype = torch.promote_types(image.dtype, grid.dtype)
    undefined = grid.isnan().any(-1)
    if not padding.has_limit(sampling.padding):
        undefined = undefined | (grid.abs() > limits).any(-1)
    safe = torch.where(undefined[..., None], 0, grid).clamp(-limits, limits)
    sampled = functional.grid_sample(
        _repeat(image, grid.shape[0]).to(dtype),
        safe.reshape(-1, *(1,) * (image.ndim - 3), *grid.shape[1:]).to(dtype),
        mode=sampling.kernel.name,
        padding_mode=sampling.padding,
        align_corners=sampling.align_corners,
    ).flatten(2)
    # NaN where the sample is undefined, also in the gradient of its position, never in that of the image.
    factor = torch.where(undefined, math.nan, 0.0).to(dtype)
    poison = (torch.nan_to_num(grid, 0.0, 0.0, 0.0) * factor[..., None]).sum(-1)
    return (torch.where(undefined[:, None], 0, sampled) + poison[:, None]).to(image.dtype)


def _repeat(image: Tensor, warps: int) -> Tensor:
    return image if image.shape[0] == warps else image.repeat_interleave(warps // image.shape[0], dim=0)
