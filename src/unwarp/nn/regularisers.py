"""Regularisers of theta as loss terms: what a transformer should not do, whatever its task.

All are measured on a regular lattice of the output, corners included, and averaged over it and the batch. Points behind
the horizon of a projective map have no place: they count nothing and pass no gradient.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from unwarp import _checks, coordinates
from unwarp._typing import Float
from unwarp.errors import OptionError, UnsupportedError
from unwarp.transforms import AbstractTransform, ThinPlateSpline


def outside_penalty(
    theta: Float[Tensor, "*batch *theta"], transform: AbstractTransform, *, points: int = 9
) -> Float[Tensor, ""]:
    """How far the sampled grid reaches out of the image.

    The mean of huber(max(0, |x| - 1)), summed over the axes: 0 while the whole grid is inside. It grows linearly far
    outside, where sampling itself has no gradient, and so leads a transformer that has lost its image back to it.

    Args:
        theta: ``(*batch, *theta_shape)``.
        transform: the family of theta.
        points: lattice points along each axis.

    Raises:
        OptionError, ShapeError: an argument is wrong; the message says which.

    Examples:
        >>> from unwarp.transforms import Translation
        >>> outside_penalty(torch.tensor([[0.0, 0.0], [3.0, 0.0]]), Translation())
        tensor(0.7500)
    """
    mapped = transform(theta, lattice_points(transform, points, theta))
    beyond = (mapped.abs() - 1).clamp_min(0)
    return _mean(F.smooth_l1_loss(beyond, torch.zeros_like(beyond), reduction="none").sum(-1), mapped)


def identity_penalty(
    theta: Float[Tensor, "*batch *theta"], transform: AbstractTransform, *, points: int = 9
) -> Float[Tensor, ""]:
    """How far points are moved from where the family starts: the mean of |T_theta(x) - T_start(x)|^2.

    The start is the identity where the family has one. Measured on points, it weighs all entries of theta by what they
    do; 1 is half the width of the image, squared.

    Args:
        theta, transform, points: as in `outside_penalty`.
    """
    lattice = lattice_points(transform, points, theta)
    start = transform(transform.start(dtype=lattice.dtype, device=theta.device), lattice)
    mapped = transform(theta, lattice)
    return _mean((mapped - start).square().sum(-1), mapped)


def folding_penalty(
    theta: Float[Tensor, "*batch *theta"], transform: AbstractTransform, *, margin: float = 0.0, points: int = 17
) -> Float[Tensor, ""]:
    """How much the map folds or mirrors: the mean of max(0, margin - det J).

    J is the Jacobian by differences of neighbouring lattice points, 1 at the identity. A negative determinant turns a
    part of the image over.

    Args:
        theta, transform, points: as in `outside_penalty`.
        margin: determinants below this are penalised too: how much the map may shrink a part of the image.
    """
    return _mean((margin - determinants(theta, transform, points=points)).clamp_min(0))


def bending_energy(theta: Float[Tensor, "*batch K D"], transform: AbstractTransform) -> Float[Tensor, ""]:
    """The mean bending energy of thin-plate splines: 0 for affine maps (Bookstein 1989).

    Args:
        theta: ``(*batch, K, D)``.
        transform: a `ThinPlateSpline`, or one within `Bounded`.

    Raises:
        UnsupportedError: the family is no thin-plate spline.
    """
    family, plain = transform.reduced(theta)
    if not isinstance(family, ThinPlateSpline):
        raise UnsupportedError(
            f"bending_energy: expected a ThinPlateSpline, got {type(family).__name__}. "
            "Use identity_penalty or folding_penalty, which every family has."
        )
    return family.bending_energy(plain).mean()


def determinants(
    theta: Float[Tensor, "*batch *theta"], transform: AbstractTransform, *, points: int = 17
) -> Float[Tensor, "*batch cells"]:
    """Det J in the first corner of every cell of the lattice: by how much the map enlarges the area it samples."""
    ndim = transform.ndim
    mapped = transform(theta, lattice_points(transform, points, theta)).unflatten(-2, (points,) * ndim)
    step, columns = 2 / (points - 1), list[Tensor]()
    for axis in range(ndim):  # x is the last axis of the lattice
        along = mapped.ndim - 2 - axis
        slope = mapped.diff(dim=along) / step
        for other in range(mapped.ndim - 1 - ndim, mapped.ndim - 1):
            slope = slope if other == along else slope.narrow(other, 0, points - 1)
        columns.append(slope.flatten(-1 - ndim, -2))
    return _determinant(columns)


def _determinant(columns: list[Tensor]) -> Tensor:
    if len(columns) == 1:
        return columns[0][..., 0]
    if len(columns) == 2:
        (a, c), (b, d) = (column.unbind(-1) for column in columns)
        return a * d - b * c
    normal = cast(Tensor, torch.linalg.cross(columns[0], columns[1]))
    return (normal * columns[2]).sum(-1)


def lattice_points(transform: AbstractTransform, points: int, like: Tensor) -> Float[Tensor, "points D"]:
    """A regular lattice of the output, corners included, in the dtype of positions and on the device of ``like``."""
    if _checks.count("points", points) < 2:
        raise OptionError(f"points: expected at least 2 along each axis, got {points}. Leave it out for the default.")
    size = (points,) * transform.ndim
    return coordinates.corner_grid(size, dtype=coordinates.point_dtype(like), device=like.device)


def _mean(terms: Float[Tensor, "*batch points"], mapped: Tensor | None = None) -> Float[Tensor, ""]:
    """The mean over batch and points, of those that are not behind a horizon."""
    if mapped is None:
        return terms.mean()
    behind = mapped.abs().amax(-1) >= 0.5 * coordinates.FAR_NORMALISED
    return torch.where(behind, 0, terms).mean()
