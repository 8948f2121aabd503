"""What is timed of unwarp, as a user calls it."""

from torch import Tensor

import unwarp


def affine(image: Tensor, theta: Tensor) -> Tensor:
    """Four taps."""
    return unwarp.warp(image, theta, "affine")


def bicubic(image: Tensor, theta: Tensor) -> Tensor:
    """Sixteen taps."""
    return unwarp.warp(image, theta, "affine", mode="bicubic")
