"""Images and thetas that everyone is timed on."""

import math

import torch
from torch import Tensor

SHAPES = (
    (256, 1, 28, 28), (256, 1, 42, 42), (128, 3, 64, 64), (32, 3, 224, 224),
    (8, 3, 448, 448), (32, 64, 56, 56), (16, 256, 28, 28), (1, 3, 1080, 1920),
)  # fmt: skip
"""Digits, crops, photos, feature maps, a frame of video."""

SHRUNK = (((8, 3, 224, 224), (64, 64)), ((64, 1, 60, 60), (28, 28)))
"""What is made smaller, and how small."""


def smooth(shape: tuple[int, ...]) -> Tensor:
    """An image of a few waves: neighbours differ little, so roundings of position show little."""
    axes = torch.meshgrid(*(torch.linspace(0, 2 * math.pi, n) for n in shape[2:]), indexing="ij")
    waves = sum(((i + 2) * axis).sin() for i, axis in enumerate(axes)) / len(axes)
    shifts = torch.linspace(0.5, 1, shape[0] * shape[1]).view(*shape[:2], *(1,) * len(axes))
    return waves * shifts


def thetas(count: int, ndim: int = 2, *, seed: int = 0) -> Tensor:
    """Affine matrices: rotations, scalings and shifts of the size that augmentation draws."""
    drawn = torch.Generator().manual_seed(seed)
    linear = torch.eye(ndim) + 0.2 * (2 * torch.rand(count, ndim, ndim, generator=drawn) - 1)
    return torch.cat([linear, 0.1 * torch.randn(count, ndim, 1, generator=drawn)], dim=-1)
