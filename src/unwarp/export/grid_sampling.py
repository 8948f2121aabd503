"""Samplers that ONNX has an op for: GridSample, and AffineGrid for the affine families."""

import copy
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unwarp import coordinates, kernels, padding
from unwarp._typing import Float, Size
from unwarp.functional import make_grid
from unwarp.kernels import Cubic, Linear, Nearest
from unwarp.nn.sampler import Sampler
from unwarp.transforms import AbstractSpline, AbstractTransform, resolve

__all__ = ["with_grid_sampling"]

_CUBIC_A = -0.75  # of GridSample
_REACH = 8  # pixels: more than any kernel of GridSample sees
_NEAR = 3.0  # normalised: a whole image beside the image
_PADDINGS = ("zeros", "border", "reflection")


def with_grid_sampling(model: nn.Module) -> nn.Module:
    """A copy of a network whose samplers are, as far as they can be, one GridSample each.

    GridSample knows the nearest, linear and cubic kernels and zeros, border and reflection padding, in two dimensions.
    Samplers with another kernel or padding, or with anti-aliasing, stay what they are and become plain arithmetic.
    """
    copied = copy.deepcopy(model)
    for module in list(copied.modules()):
        for name, child in module.named_children():
            if type(child) is Sampler and _covered(child):
                setattr(module, name, _GridSampler(child))
    return copied


def _covered(sampler: Sampler) -> bool:
    kernel = kernels.resolve(sampler.mode)
    known = type(kernel) in (Nearest, Linear) or (type(kernel) is Cubic and kernel.a == _CUBIC_A)
    return known and sampler.padding_mode in _PADDINGS and not sampler.antialias


class _GridSampler(Sampler):
    """Takes the place of a `Sampler` in a graph for ONNX: the same pictures from ops that ONNX has."""

    def __init__(self, sampler: Sampler) -> None:
        super().__init__(
            mode=sampler.mode,
            padding_mode=sampler.padding_mode,
            fill_value=sampler.fill_value,
            align_corners=sampler.align_corners,
            antialias=sampler.antialias,
            backend=sampler.backend,
        )

    def warp(self, image: Tensor, theta: Tensor, transform: str | AbstractTransform, size: Size | None) -> Tensor:
        """As `Sampler.warp`."""
        if image.ndim != 4:
            return super().warp(image, theta, transform, size)
        family = resolve(transform, 2)
        sizes = tuple(image.shape[2:]) if size is None else (size, size) if isinstance(size, int) else tuple(size)
        rank = len(family.theta_shape)
        if theta.shape[0] == 1 and image.shape[0] != 1:  # one theta for all images
            theta = theta.expand(image.shape[0], *theta.shape[1:])
        leading = theta.shape[: theta.ndim - rank]
        images = image.expand(leading[0], *image.shape[1:]) if image.shape[0] == 1 else image
        if len(leading) == 2:
            images = images.repeat_interleave(leading[1], dim=0)
        # Positions are never rounded to half precision, for which the op has no second input type.
        exact = torch.promote_types(image.dtype, coordinates.point_dtype(theta))
        images, theta = images.to(exact), theta.to(exact)
        plainest, reduced = family.reduced(theta.reshape(-1, *family.theta_shape))
        grid = _grid(plainest, reduced, (image.shape[1], *sizes), align_corners=self.align_corners)
        sampled = self._sample(images, grid).to(image.dtype)
        return sampled.reshape(*leading, *sampled.shape[1:])

    def _sample(
        self, image: Float[Tensor, "n c h w"], grid: Float[Tensor, "n h_out w_out 2"]
    ) -> Float[Tensor, "n c h_out w_out"]:
        aligned = self.align_corners
        extents = coordinates.half_extents(image.shape[2:], align_corners=aligned)
        near = _folded(grid, extents) if self.padding_mode == "reflection" else grid.clamp(*_around(extents))
        return F.grid_sample(
            image,
            near,
            mode=kernels.resolve(self.mode).name,
            padding_mode=self.padding_mode,
            align_corners=aligned,
        )


def _around(extents: Sequence[float]) -> tuple[float, float]:
    """Normalised positions beyond which zeros and the border go on for ever.

    A run time computes with positions in float32 and counts pixels in 32 bits: farther out its weights are wrong.
    """
    limit = max((1 + _REACH / extent for extent in extents if extent > 0), default=1.0)
    return -limit, limit


def _folded(grid: Float[Tensor, "n h w 2"], extents: Sequence[float]) -> Float[Tensor, "n h w 2"]:
    """Far positions where reflection at both edges takes them, for the same reason; near ones as they are."""
    farthest = padding.LARGEST_POSITION / max(1.0, *extents)
    finite = grid.clamp(-farthest, farthest)
    period = (finite - 1) - 4 * torch.floor((finite - 1) / 4)
    return torch.where(finite.abs() > _NEAR, (period - 2).abs() - 1, finite)


def _grid(
    family: AbstractTransform, theta: Tensor, shape: tuple[int, ...], *, align_corners: bool
) -> Float[Tensor, "n h w 2"]:
    """Normalised positions; ``shape`` is that of one output, ``(channels, h, w)``."""
    if family.has_matrix and not family.projective:
        return F.affine_grid(family.matrix(theta)[:, :2], [theta.shape[0], *shape], align_corners=align_corners)
    points = make_grid(shape[1:], align_corners=align_corners, device=theta.device)
    if isinstance(family, AbstractSpline):  # its basis is solved already: a constant, where the graph had its logarithm
        basis = family.grid_basis(shape[1:], align_corners=align_corners, dtype=theta.dtype, device=theta.device)
        return points + (basis @ family.coefficients(theta)).reshape(-1, *points.shape)
    return family(theta, points)
