"""Sampling whose gradient looks further than two pixels: linearised multi-sampling (Jiang et al. 2019)."""

from typing import cast

import torch
from torch import Tensor, nn

from unwarp import coordinates, functional
from unwarp._typing import Float, Shaped, Size
from unwarp.errors import OptionError
from unwarp.nn.sampler import Sampler
from unwarp.transforms import AbstractTransform

_RIDGE = 1e-6
"""Keeps the fit solvable along axes of one pixel, where all offsets are 0."""


class LinearisedSampler(nn.Module):
    """A sampler whose values are another sampler's, and whose gradient with respect to positions is that of a plane.

    The plane passes through the sample V(x) and fits, by least squares, the samples at ``samples`` random offsets e_i
    around it: g = argmin sum_i (V(x + e_i) - V(x) - g e_i)^2. A bilinear gradient knows two pixels an axis and is noise
    where an image is shrunk much; this one sees ``spread`` pixels around. The image's gradient is that of V alone. The
    plane itself counts as constant, so second derivatives with respect to positions are 0.

    Convention: as `unwarp.sample` and `unwarp.warp`. Offsets are in input pixels.

    Args:
        sampler: gives the values; by default a bilinear one.
        samples: offsets a position; more are smoother and slower. The paper uses 7.
        spread: standard deviation of the offsets in pixels, along each axis: about as far as one output pixel covers
            where the transform shrinks the image.
        generator: draws the offsets; with one of a fixed seed two runs are the same.

    Raises:
        OptionError: ``samples`` or ``spread`` is not positive.

    Examples:
        >>> transformer = unwarp.nn.SpatialTransformer(localiser, "affine", features=32)
        >>> transformer.sampler = LinearisedSampler(transformer.sampler, spread=2.0)
    """

    def __init__(
        self,
        sampler: Sampler | None = None,
        *,
        samples: int = 7,
        spread: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if samples < 1:
            raise OptionError(f"samples: expected at least 1 offset a position, got {samples!r}. 7 is usual.")
        if not spread > 0:
            raise OptionError(f"spread: expected a positive number of pixels, got {spread!r}.")
        self.sampler = Sampler() if sampler is None else sampler
        self.samples = samples
        self.spread = spread
        self.generator = generator

    def forward(
        self, image: Shaped[Tensor, "batch channels *in"], grid: Float[Tensor, "batch *out D"]
    ) -> Shaped[Tensor, "batch channels *out"]:
        """Sample at given positions; see `unwarp.sample`."""
        return self._with_plane(self.sampler(image, grid.detach()), image, grid)

    def warp(
        self,
        image: Shaped[Tensor, "batch channels *in"],
        theta: Float[Tensor, "batch *theta"],
        transform: AbstractTransform,
        size: Size | None,
    ) -> Shaped[Tensor, "batch channels *size"]:
        """Warp by a transform; see `unwarp.warp`. One warp of each image."""
        sampled = self.sampler.warp(image, theta.detach(), transform, size)
        points = functional.make_grid(
            sampled.shape[2:],
            align_corners=self.sampler.align_corners,
            dtype=coordinates.point_dtype(theta),
            device=theta.device,
        )
        return self._with_plane(sampled, image, transform(theta, points))

    def _with_plane(self, sampled: Tensor, image: Tensor, grid: Float[Tensor, "batch *out D"]) -> Tensor:
        """The samples, with the slope of the plane as their only gradient with respect to the grid."""
        if not (torch.is_grad_enabled() and grid.requires_grad):
            return sampled
        with torch.no_grad():
            slope = self._fit(image, grid)
        moved = torch.where(grid.isinf(), 0, grid - grid.detach())  # 0, but for the derivative
        rise = (slope * moved[:, None].to(slope.dtype)).sum(-1)
        return sampled + rise.to(sampled.dtype)

    def _fit(self, image: Tensor, grid: Tensor) -> Float[Tensor, "batch channels *out D"]:
        """Slope of the plane in normalised coordinates: (sum e e^T)^-1 sum e (V(x + e) - V(x)), in pixels."""
        ndim = grid.shape[-1]
        extents = coordinates.half_extents(image.shape[2:], align_corners=self.sampler.align_corners)
        scale = coordinates.vector(extents, like=grid)
        centre = self.sampler(image, grid)
        normal = _RIDGE * self.spread**2 * torch.eye(ndim, dtype=grid.dtype, device=grid.device)
        normal = normal.expand(*grid.shape, ndim)
        covariance = torch.zeros(*centre.shape, ndim, dtype=grid.dtype, device=grid.device)
        for _ in range(self.samples):
            noise = torch.randn(grid.shape, generator=self.generator, dtype=grid.dtype, device=grid.device)
            offset = noise * self.spread * (scale > 0)
            rise = self.sampler(image, grid + offset / torch.where(scale > 0, scale, 1)) - centre
            normal = normal + offset[..., :, None] * offset[..., None, :]
            covariance = covariance + rise[..., None].to(grid.dtype) * offset[:, None]
        slope = cast(Tensor, torch.linalg.solve_ex(normal[:, None], covariance[..., None])[0])[..., 0]
        return torch.where(grid.isinf()[:, None], 0, slope * scale)

    def extra_repr(self) -> str:
        return f"samples={self.samples}, spread={self.spread}"
