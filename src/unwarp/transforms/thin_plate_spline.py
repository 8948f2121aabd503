"""Thin-plate splines: the smoothest map through given control points (Bookstein 1989)."""

import math
from collections.abc import Callable, Hashable, Sequence

import torch
from torch import Tensor

from unwarp import coordinates
from unwarp._numbers import is_number
from unwarp._typing import Float
from unwarp.errors import OptionError, ShapeError
from unwarp.transforms.base import inverse_matrix
from unwarp.transforms.spline import AbstractSpline, control_points

_TINY = 1e-30
"""Squared distance at which a point counts as lying on a control point."""

_RESIDUAL = 1e-6
"""Largest entry of L^-1 L - I that a solvable system shows."""


class ThinPlateSpline(AbstractSpline):
    """The map of least bending that samples at ``theta[k]`` where the output has control point ``k``.

    T(x) = x + W(x) (theta - control), where W(x) = [phi(|x - c_1|), ..., phi(|x - c_K|), 1, x] L^-1 restricted to its
    first K columns and L = [[Phi + lambda I, P], [P^T, 0]]. phi is r^3 in 1D, r^2 log r in 2D, -r in 3D. L depends on
    the control points alone: it is inverted once in float64, and W is kept per size, dtype and device.

    Convention: ``theta`` is ``(batch, K, D)``, target positions ``(x, y, z)``, normalised; the control lattice runs
    from -1 to 1 with x fastest.

    Args:
        control: counts of the control lattice in tensor order (rows, columns), or the points themselves ``(K, D)``.
        ndim: spatial dimensions.
        regularisation: lambda; 0 passes through the control points, more bends less.

    Raises:
        ShapeError: the control points do not span the space (fewer than ``D + 1``, on one line, or repeated).
    """

    name = "thin_plate_spline"

    def __init__(
        self, control: Sequence[int] | Tensor | None = None, *, ndim: int = 2, regularisation: float = 0.0
    ) -> None:
        if not is_number(regularisation) or not 0 <= regularisation < math.inf:
            raise OptionError(f"regularisation: expected 0 or a positive number, got {regularisation!r}.")
        self._regularisation = float(regularisation)
        ndim = self.known_ndim(ndim)
        super().__init__(control_points((4,) * ndim if control is None else control, ndim), ndim)

    def basis(self, points: Float[Tensor, "*batch D"]) -> Float[Tensor, "*batch K"]:
        """W(x): rows sum to 1, ``W @ control`` gives the points back, ``W(control)`` is the unit matrix."""
        exact, control = points.to(torch.float64), self._exact_control.to(points.device)
        radial = _radial(exact, control)
        terms = torch.cat([radial, torch.ones_like(exact[..., :1]), exact], dim=-1)
        return coordinates.matmul(terms, self._solution.to(points.device)).to(points.dtype)

    def bending_energy(self, theta: Float[Tensor, "*batch K D"]) -> Float[Tensor, "*batch"]:
        """tr(w^T Phi w) with the weights w = B (theta - control), B the K x K corner of L^-1: zero for affine maps.

        The integral of the squared second derivatives, up to a constant factor (Bookstein 1989).
        """
        moved = self.coefficients(theta).to(torch.float64)
        weights = coordinates.matmul(self._solution[: len(self.control)].to(theta.device), moved)
        # theta - control = (Phi + lambda I) w + P a, and P^T w = 0.
        energy = (weights * (moved - self._regularisation * weights)).sum((-2, -1))
        return energy.to(coordinates.point_dtype(theta))

    def basis_options(self) -> Hashable:
        return self._regularisation

    def control_changed(self) -> None:
        super().control_changed()
        if self.control.is_meta:  # without values: those that the spline was solved with, if any, still hold
            if not hasattr(self, "_solution"):
                count, ndim = self.control.shape
                self._exact_control = self.control.detach().to(torch.float64)
                self._solution = self._exact_control.new_empty(count + 1 + ndim, count)
            return
        # Plain attributes on the CPU: `.to(torch.bfloat16)` must not round what the spline is solved with.
        self._exact_control = self.control.detach().to("cpu", torch.float64)
        with torch.device("cpu"):
            self._solution = _solve(self._exact_control, self._regularisation)

    def extra_repr(self) -> str:
        return f"{len(self.control)} control points, ndim={self.ndim}, regularisation={self._regularisation}"


def _radial(points: Float[Tensor, "*batch D"], control: Float[Tensor, "K D"]) -> Float[Tensor, "*batch K"]:
    """The radial function phi of the distances to the control points, with finite derivatives where a point meets one.

    There the second derivative of r^2 log r and both derivatives of r do not exist, and autograd would give NaN. They
    are taken as 0.
    """
    # One coordinate at a time: a sum over a last axis of 2 or 3 elements does not vectorise, and took half of the time.
    axes = [x[..., None] - c for x, c in zip(points.unbind(-1), control.unbind(-1), strict=True)]
    square = sum([axis * axis for axis in axes[1:]], start=axes[0] * axes[0])
    apart = square > _TINY
    return torch.where(apart, _PHI[len(axes)](torch.where(apart, square, 1)), 0)


_PHI: dict[int, Callable[[Tensor], Tensor]] = {
    1: lambda square: square * square.sqrt(),
    2: lambda square: 0.5 * square * square.log(),
    3: lambda square: -square.sqrt(),  # the sign with which it is conditionally positive definite, as the other two
}


def _solve(control: Float[Tensor, "K D"], regularisation: float) -> Float[Tensor, "K+1+D K"]:
    """The first K columns of L^-1; ``control`` in float64."""
    count, ndim = control.shape
    phi = _radial(control, control) + regularisation * torch.eye(count, dtype=control.dtype)
    affine = torch.cat([torch.ones_like(control[:, :1]), control], dim=-1)
    corner = torch.zeros(ndim + 1, ndim + 1, dtype=control.dtype)
    system = torch.cat([torch.cat([phi, affine], dim=1), torch.cat([affine.mT, corner], dim=1)])
    inverse = inverse_matrix(system)
    # LU meets no zero pivot in a singular system that was rounded: what tells is whether the inverse is one.
    residual = (coordinates.matmul(inverse, system) - torch.eye(len(system), dtype=system.dtype)).abs().max()
    if count <= ndim or not residual < _RESIDUAL:
        raise ShapeError(
            f"control: expected at least {ndim + 1} distinct points that do not lie on one line or plane, "
            f"got {count} points for which the spline has no unique solution. Spread or deduplicate them."
        )
    return inverse[:, :count].contiguous()
