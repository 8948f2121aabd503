"""3D digits: MNIST extruded, turned and put somewhere in a volume (appendix A.3)."""

import torch
from torch import Tensor

from unwarp._typing import Float, Integer, Shaped
from unwarp.data.distortion_thetas import uniform
from unwarp.data.distortions import as_images, fastest_backend
from unwarp.functional import warp

__all__ = ["Volumes"]

_SIDE, _DIGIT, _DEPTH = 60, 28, 14  # voxels
_DEGREES, _ROOM = 45.0, 14.0


class Volumes:
    """A digit extruded to 14 voxels, turned about all three axes and moved, in a volume of 60x60x60 voxels.

    Each of the three angles is uniform in [-45, 45] degrees, each shift uniform in [-14, 14] voxels: a turned digit
    lies within 16 voxels around its centre and is never cut.

    Examples:
        >>> from unwarp.data import mnist_subset
        >>> digits = mnist_subset.subset("test")[:2]
        >>> volumes, _ = Volumes().make(digits.images, digits.labels, torch.Generator().manual_seed(0))
        >>> volumes.shape
        torch.Size([2, 1, 60, 60, 60])
    """

    name = "volumes"
    size = (_SIDE, _SIDE, _SIDE)
    channels = 1
    classes = 10

    def make(
        self, digits: Shaped[Tensor, "n 28 28"], labels: Integer[Tensor, "n"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "n 1 60 60 60"], Integer[Tensor, "n"]]:
        """Volumes of these digits, and the digits."""
        images = as_images(digits)
        extruded = images[:, :, None].expand(-1, -1, _DEPTH, -1, -1)
        angles = uniform((len(images), 3), -_DEGREES, _DEGREES, generator).deg2rad()
        shift = uniform((len(images), 3), -_ROOM, _ROOM, generator)
        theta = placement(angles, shift)
        return warp(extruded.contiguous(), theta, "affine", self.size, backend=fastest_backend()), labels


def placement(angles: Float[Tensor, "n 3"], shift: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3 4"]:
    """Affine theta of a digit turned about x, then y, then z, and moved.

    In centred voxels ``c_in = R^T (c_out - shift)``; then both sides are divided by half their size.

    Args:
        angles: about x, y and z, in radians.
        shift: ``(x, y, z)`` in voxels.
    """
    turned = _about(angles[:, 2], 0, 1) @ _about(angles[:, 1], 2, 0) @ _about(angles[:, 0], 1, 2)
    half = torch.tensor([_DIGIT, _DIGIT, _DEPTH])[:, None] / 2
    back = turned.mT
    return torch.cat([back * (_SIDE / 2) / half, -(back @ shift[:, :, None]) / half], dim=-1)


def _about(angle: Float[Tensor, "n"], first: int, second: int) -> Float[Tensor, "n 3 3"]:
    """Rotations in the plane of two axes, from the first towards the second."""
    rotation = torch.eye(3).repeat(len(angle), 1, 1)
    rotation[:, first, first] = rotation[:, second, second] = angle.cos()
    rotation[:, first, second], rotation[:, second, first] = -angle.sin(), angle.sin()
    return rotation
