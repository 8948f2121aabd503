"""Families made of other families."""

from abc import abstractmethod

from torch import Tensor

from unwarp.errors import ShapeError
from unwarp.transforms.base import AbstractDisplacement, AbstractTransform, map_by_matrix


def resolve_part(part: str | AbstractTransform, ndim: int) -> AbstractTransform:
    """A family as wrappers are given it: an object as it is, a name for one of its own."""
    from unwarp.transforms.resolve import create  # not at import: its table of names holds the wrappers

    return part if isinstance(part, AbstractTransform) else create(part, ndim)


class AbstractWrapper(AbstractDisplacement):
    """A family made of others; given by a matrix where all of them are."""

    def __init__(self, *parts: AbstractTransform) -> None:
        dimensions = {part.ndim for part in parts}
        if len(dimensions) != 1:
            raise ShapeError(
                f"{type(self).__name__}: expected transforms of the same ndim, got {sorted(dimensions)}. "
                "Pass ndim to each."
            )
        super().__init__(dimensions.pop())
        self.has_matrix = all(part.has_matrix for part in parts)
        self.projective = any(part.projective for part in parts)

    @abstractmethod
    def wrapped_matrix(self, theta: Tensor) -> Tensor:
        """The matrix, where all parts have one."""

    @abstractmethod
    def wrapped_displacement(self, theta: Tensor, points: Tensor) -> Tensor:
        """By how much points are moved, where not all parts have a matrix."""

    def matrix(self, theta: Tensor) -> Tensor:
        return self.wrapped_matrix(theta) if self.has_matrix else super().matrix(theta)

    def transform_points(self, theta: Tensor, points: Tensor) -> Tensor:
        return map_by_matrix(self, theta, points) if self.has_matrix else super().transform_points(theta, points)

    def displacement(self, theta: Tensor, points: Tensor) -> Tensor:
        if not self.has_matrix:
            return self.wrapped_displacement(theta, points)
        mapped = map_by_matrix(self, theta, points)
        return mapped - points.to(mapped.dtype)
