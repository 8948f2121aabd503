"""Sampling whose gradient looks further than two pixels: linearised multi-sampling (Jiang et al. 2019)."""

import copy
from typing import cast

import torch
from torch import Tensor, nn

from unwarp import coordinates, functional, transforms
from unwarp._typing import Float, Shaped, Size
from unwarp.errors import OptionError
from unwarp.functional import FillValue
from unwarp.kernels import AbstractKernel
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

    @property
    def mode(self) -> str | AbstractKernel:
        """Of the sampler that gives the values, as all options below."""
        return self.sampler.mode

    @property
    def padding_mode(self) -> str:
        return self.sampler.padding_mode

    @property
    def fill_value(self) -> FillValue:
        return self.sampler.fill_value

    @property
    def align_corners(self) -> bool:
        return self.sampler.align_corners

    @property
    def antialias(self) -> bool | float:
        return self.sampler.antialias

    @property
    def backend(self) -> str:
        return self.sampler.backend

    def forward(
        self, image: Shaped[Tensor, "#batch channels *in"], grid: Float[Tensor, "#batch *out D"]
    ) -> Shaped[Tensor, "batch channels *out"]:
        """Sample at given positions; see `unwarp.sample`."""
        return self._with_plane(self.sampler(image, grid.detach()), image, grid)

    def warp(
        self,
        image: Shaped[Tensor, "#batch channels *in"],
        theta: Float[Tensor, "#batch *k *theta"],
        transform: str | AbstractTransform,
        size: Size | None,
    ) -> Shaped[Tensor, "batch *k channels *size"]:
        """Warp by a transform; see `unwarp.warp`."""
        constant = _constant(transform)
        sampled = self.sampler.warp(image, theta.detach(), constant, size)
        if not (torch.is_grad_enabled() and (theta.requires_grad or constant is not transform)):
            return sampled
        family = transforms.resolve(transform, image.ndim - 2)
        batch = sampled.shape[: sampled.ndim - image.ndim + 1]  # (batch,), or (batch, k)
        if len(batch) == 1:
            return self._with_plane(sampled, image, self._positions(sampled, theta, family))
        # The k warps of an image become k images.
        one_each = theta.expand(*batch, *family.theta_shape).flatten(0, 1)
        images = image if image.shape[0] == 1 else image.repeat_interleave(batch[1], dim=0)
        flat = sampled.flatten(0, 1)
        found = self._with_plane(flat, images, self._positions(flat, one_each, family))
        return found.reshape(*batch, *found.shape[1:])

    def _positions(
        self, sampled: Tensor, theta: Float[Tensor, "batch *theta"], family: AbstractTransform
    ) -> Float[Tensor, "batch *size D"]:
        """Where the samples of a warp lie in the input."""
        points = functional.make_grid(
            sampled.shape[2:],
            align_corners=self.align_corners,
            dtype=coordinates.point_dtype(theta),
            device=theta.device,
        )
        return family(theta, points)

    def _with_plane(self, sampled: Tensor, image: Tensor, grid: Float[Tensor, "#batch *out D"]) -> Tensor:
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
        extents = coordinates.half_extents(image.shape[2:], align_corners=self.align_corners)
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


def _constant(transform: str | AbstractTransform) -> str | AbstractTransform:
    """The transform without a gradient of its own: that of its parameters, as that of theta, is the plane's."""
    if isinstance(transform, str) or not any(parameter.requires_grad for parameter in transform.parameters()):
        return transform
    return copy.deepcopy(transform, {id(parameter): parameter.detach() for parameter in transform.parameters()})
