"""What a transform is: a family of point maps T_theta from output points to input points."""

import math
from abc import abstractmethod
from typing import Literal, TypeAlias, cast

import torch
from torch import Tensor, nn

from unwarp import coordinates
from unwarp._numbers import is_integer
from unwarp._typing import Float
from unwarp.errors import OptionError, ShapeError, UnsupportedError

Kind: TypeAlias = Literal["scale", "angle", "shear", "shift", "perspective", "velocity"]
"""What an entry of theta stands for: what `unwarp.transforms.Bounded` sets limits to."""


class AbstractTransform(nn.Module):
    """A family of point maps with parameters theta.

    Convention: points are normalised ``(x, y, z)``, the map goes from output points to input points, angles are in
    radians, theta is ``(batch, *theta_shape)`` with any number of batch dimensions.

    Attributes:
        name: what ``transform=`` calls it.
        ndim: number of spatial dimensions.
        dimensions: those in which the family exists.
        has_matrix: whether every map of the family is a homogeneous matrix, so that `matrix` exists.
        projective: whether the last row of that matrix is more than (0, ..., 0, 1).
    """

    name: str
    dimensions: tuple[int, ...] = (1, 2, 3)
    has_matrix: bool = False
    projective: bool = False

    def __init__(self, ndim: int = 2) -> None:
        super().__init__()
        self.ndim = self.known_ndim(ndim)
        self.register_load_state_dict_post_hook(_weights_loaded)

    @classmethod
    def known_ndim(cls, ndim: int) -> int:
        """Refuse a number of spatial dimensions that the family does not have.

        Raises:
            OptionError: it has none of that number.
        """
        if not is_integer(ndim) or ndim not in cls.dimensions:
            expected = " or ".join(map(str, cls.dimensions))
            raise OptionError(
                f"ndim: expected {expected} for {cls.__name__}, got {ndim!r}. "
                "Use the image's number of spatial dimensions."
            )
        return int(ndim)

    @property
    @abstractmethod
    def theta_shape(self) -> tuple[int, ...]:
        """Shape of one sample's parameters."""

    def identity(self, *, dtype: torch.dtype | None = None, device: torch.device | None = None) -> Tensor:
        """The theta, of shape ``theta_shape``, that leaves every point where it is.

        Raises:
            UnsupportedError: no map of the family does.
        """
        del dtype, device
        raise UnsupportedError(
            f"{type(self).__name__}.identity: no map of this family leaves points where they are. "
            "Use start(), from which localisers begin."
        )

    def start(self, *, dtype: torch.dtype | None = None, device: torch.device | None = None) -> Tensor:
        """The theta that a localiser begins with: the identity where there is one."""
        return self.identity(dtype=dtype, device=device)

    @abstractmethod
    def transform_points(
        self, theta: Float[Tensor, "*batch *theta"], points: Float[Tensor, "*#batch points D"]
    ) -> Float[Tensor, "*batch points D"]:
        """Map points of their own for each sample; batch dimensions broadcast.

        Computed in float32, or float64 where theta or points are.
        """

    def forward(
        self, theta: Float[Tensor, "*batch *theta"], points: Float[Tensor, "*out D"]
    ) -> Float[Tensor, "*batch *out D"]:
        """Map the same points for every sample of the batch.

        Args:
            theta: ``(*batch, *theta_shape)``.
            points: ``(*out, D)``, normalised, for example from `unwarp.make_grid`.

        Returns:
            ``(*batch, *out, D)``: where in the input each point is taken from.
        """
        batch = self._batch_shape(theta)
        if points.shape[-1] != self.ndim:
            raise ShapeError(f"points: expected (..., {self.ndim}) in x, y, z order, got {tuple(points.shape)}.")
        shared = points.reshape(*(1,) * len(batch), -1, self.ndim)
        with coordinates.full_precision(points.device):
            mapped = self.transform_points(theta, shared)
        return mapped.reshape(*batch, *points.shape)

    def compose(self, outer: Tensor, inner: Tensor) -> Tensor:
        """The theta of ``T_outer(T_inner(points))``.

        Raises:
            UnsupportedError: the family is not closed under composition.
        """
        raise UnsupportedError(
            f"{type(self).__name__}.compose: two maps of this family do not compose to a third of it. "
            "Use unwarp.transforms.Compose, which applies one after the other."
        )

    def inverse(self, theta: Tensor) -> Tensor:
        """The theta of the inverse map.

        Raises:
            UnsupportedError: the inverse is not a map of this family.
        """
        raise UnsupportedError(f"{type(self).__name__}.inverse: the inverse is not a map of this family.")

    def matrix(self, theta: Tensor) -> Tensor:
        """Homogeneous matrices ``(*batch, D + 1, D + 1)`` of the matrix families.

        Raises:
            UnsupportedError: the family is not given by a matrix.
        """
        raise UnsupportedError(f"{type(self).__name__}.matrix: this family is not given by a matrix.")

    def basis(self, points: Tensor) -> Tensor:
        """B of the families linear in theta, ``(points, K)``.

        Raises:
            UnsupportedError: the family is not linear in theta.
        """
        raise UnsupportedError(f"{type(self).__name__}.basis: this family is not linear in theta.")

    def reduced(self, theta: Tensor) -> tuple["AbstractTransform", Tensor]:
        """The same map as a member of the plainest family that has it: what `unwarp.warp` evaluates."""
        return self, theta

    @property
    def parameter_kinds(self) -> tuple[Kind, ...]:
        """What each entry of the flattened theta stands for; positions and displacements are shifts."""
        return ("shift",) * math.prod(self.theta_shape)

    def weights_loaded(self) -> None:
        """Called after `load_state_dict`, to derive anew what follows from the weights or is in no file of them."""

    def extra_repr(self) -> str:
        return f"ndim={self.ndim}"

    def _batch_shape(self, theta: Tensor) -> torch.Size:
        rank = len(self.theta_shape)
        if tuple(theta.shape[theta.ndim - rank :]) != self.theta_shape:
            expected = ", ".join(map(str, self.theta_shape))
            raise ShapeError(
                f"theta: expected (*batch, {expected}) for {type(self).__name__}, got {tuple(theta.shape)}."
            )
        return theta.shape[: theta.ndim - rank]


def _weights_loaded(module: nn.Module, incompatible: object) -> None:
    del incompatible
    if isinstance(module, AbstractTransform):
        module.weights_loaded()


class AbstractMatrixTransform(AbstractTransform):
    """A family given by a homogeneous matrix, closed under composition and inversion."""

    has_matrix = True

    @abstractmethod
    def matrix(self, theta: Tensor) -> Float[Tensor, "*batch D1 D1"]:
        """Homogeneous matrices, normalised output points to normalised input points."""

    @abstractmethod
    def from_matrix(self, matrix: Float[Tensor, "*batch D1 D1"]) -> Tensor:
        """The theta of a matrix of this family: the inverse of `matrix`."""

    def transform_points(self, theta: Tensor, points: Tensor) -> Tensor:
        return map_by_matrix(self, theta, points)

    def compose(self, outer: Tensor, inner: Tensor) -> Tensor:
        self._batch_shape(outer)
        self._batch_shape(inner)
        outer, inner = coordinates.floating(outer), coordinates.floating(inner)
        dtype = torch.promote_types(outer.dtype, inner.dtype)
        exact = coordinates.point_dtype(outer, inner)
        product = coordinates.matmul(self.matrix(outer.to(exact)), self.matrix(inner.to(exact)))
        return self.from_matrix(product).to(dtype)

    def inverse(self, theta: Tensor) -> Tensor:
        """The theta of the inverse map; infinite or NaN where theta is singular, which never raises."""
        self._batch_shape(theta)
        theta = coordinates.floating(theta)
        return self.from_matrix(inverse_matrix(self.matrix(theta.to(coordinates.point_dtype(theta))))).to(theta.dtype)


def map_by_matrix(transform: AbstractTransform, theta: Tensor, points: Tensor) -> Float[Tensor, "*batch points D"]:
    """Map points by the matrix of a transform that has one."""
    dtype = coordinates.point_dtype(theta, points)
    matrix = transform.matrix(theta.to(dtype))
    rows = matrix if transform.projective else matrix[..., : transform.ndim, :]
    return coordinates.apply_matrix(rows, points.to(dtype), far=coordinates.FAR_NORMALISED)


def inverse_matrix(matrix: Float[Tensor, "*batch D1 D1"]) -> Float[Tensor, "*batch D1 D1"]:
    """Inverse matrices; not finite where a matrix is singular, instead of an error that stops a training run."""
    return cast("tuple[Tensor, Tensor]", torch.linalg.inv_ex(matrix))[0]


def displacement(transform: AbstractTransform, theta: Tensor, points: Tensor) -> Float[Tensor, "*batch points D"]:
    """By how much any transform moves points.

    Exactly 0 at the identity for the matrix families and those that displace.
    """
    if isinstance(transform, AbstractDisplacement):
        return transform.displacement(theta, points)
    mapped = transform.transform_points(theta, points)
    return mapped - points.to(mapped.dtype)


class AbstractDisplacement(AbstractTransform):
    """A family that moves points by a displacement that is exactly zero at the identity."""

    @abstractmethod
    def displacement(self, theta: Tensor, points: Tensor) -> Float[Tensor, "*batch points D"]:
        """By how much each point is moved, normalised; arguments as in `transform_points`."""

    def transform_points(self, theta: Tensor, points: Tensor) -> Tensor:
        return points.to(coordinates.point_dtype(theta, points)) + self.displacement(theta, points)
