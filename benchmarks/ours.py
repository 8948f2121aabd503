"""What is timed of unwarp, as a user calls it."""

from torch import Tensor

import unwarp
from unwarp.transforms import Diffeomorphic, trajectory


def affine(image: Tensor, theta: Tensor) -> Tensor:
    """Four taps."""
    return unwarp.warp(image, theta, "affine")


def bicubic(image: Tensor, theta: Tensor) -> Tensor:
    """Sixteen taps."""
    return unwarp.warp(image, theta, "affine", mode="bicubic")


class DiffeomorphicSeries(Diffeomorphic):
    """Without the compiled op: what it is compared with."""

    def displacement(self, theta: Tensor, points: Tensor) -> Tensor:
        return trajectory.follow(self._node_velocities(theta), points, self.boxes, self.stages)
