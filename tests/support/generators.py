"""What tests feed: images, thetas and grids, drawn from a seed."""

from collections.abc import Sequence

import torch
from torch import Tensor

from unwarp.transforms import AbstractTransform


def generator(seed: int = 0) -> torch.Generator:
    """A random generator of its own, so that one test's draws do not depend on another's."""
    return torch.Generator().manual_seed(seed)


def image(
    size: Sequence[int], *, batch: int = 2, channels: int = 3, dtype: torch.dtype = torch.float32, seed: int = 0
) -> Tensor:
    """White noise ``(batch, channels, *size)``: every pixel matters, and a wrong one is seen."""
    drawn = torch.rand(batch, channels, *size, generator=generator(seed), dtype=torch.float64)
    return drawn.to(dtype) if dtype.is_floating_point or dtype.is_complex else (drawn * 100).to(dtype)


def smooth_image(size: Sequence[int], *, batch: int = 1, channels: int = 1, waves: int = 3, seed: int = 0) -> Tensor:
    """Sums of a few sine waves: what an optimiser can align, since gradients reach over many pixels."""
    drawn = generator(seed)
    axes = [torch.linspace(-1, 1, n) for n in size]
    points = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
    frequency = 3 * torch.randn(batch, channels, waves, len(size), generator=drawn)
    phase = 6.3 * torch.rand(batch, channels, waves, generator=drawn)
    angles = torch.einsum("bcwd,...d->bcw...", frequency, points) + phase[(...,) + (None,) * len(size)]
    return angles.sin().mean(2)


def theta_near_identity(
    family: AbstractTransform, *, batch: int = 2, spread: float = 0.2, dtype: torch.dtype = torch.float64, seed: int = 0
) -> Tensor:
    """``(batch, *theta_shape)``: the identity, or else the start, each parameter moved by at most ``spread``."""
    start = family.start(dtype=dtype)
    noise = torch.rand(batch, *family.theta_shape, generator=generator(seed), dtype=torch.float64) * 2 - 1
    return start + (spread * noise).to(dtype)


def off_lattice_grid(
    image_size: Sequence[int],
    out: Sequence[int],
    *,
    align_corners: bool,
    reach: float = 1.0,
    batch: int = 2,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
) -> Tensor:
    """Normalised positions at least 0.05 pixels from where kernels have kinks, up to ``reach`` image widths outside.

    Kinks are pixel centres (linear) and the points halfway between them (nearest, reflection about edges).
    """
    drawn = generator(seed)
    axes = []
    for n in reversed(image_size):
        span = (torch.rand(batch, *out, generator=drawn, dtype=torch.float64) * 2 - 1) * (1 + 2 * reach) * n + n
        half_pixel = (span.floor() + 0.1 + 0.8 * torch.rand(batch, *out, generator=drawn, dtype=torch.float64)) / 2
        scale = (n - 1) / 2 if align_corners else n / 2
        axes.append((half_pixel - (n - 1) / 2) / (scale or 1.0))
    return torch.stack(axes, dim=-1).to(dtype)


def theta_near_identity_matrix(batch: int, *, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    """``(batch, 2, 3)`` affine matrices in pixels: turned, zoomed and shifted by up to about a pixel in four."""
    drawn = torch.randn(batch, 2, 3, generator=generator(seed), dtype=torch.float64)
    return (torch.eye(2, 3, dtype=torch.float64) + 0.2 * drawn).to(dtype)
