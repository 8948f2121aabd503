"""Displacing families that are linear in theta: a control lattice and a basis."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from unwarp import coordinates
from unwarp._typing import Float
from unwarp.errors import OptionError, ShapeError
from unwarp.transforms.base import AbstractDisplacement

_KEPT_SIZES = 8
_ALIGNED = 16


class AbstractSpline(AbstractDisplacement):
    """A family whose theta is where each control point samples: ``T(x) = x + basis(x) @ (theta - control)``.

    Attributes:
        control: buffer ``(K, D)``, the control points, normalised.
    """

    control: Tensor

    def __init__(self, control: Float[Tensor, "K D"], ndim: int) -> None:
        super().__init__(ndim)
        self.register_buffer("control", control)
        self._grid_bases: OrderedDict[tuple[Any, ...], Tensor] = OrderedDict()
        self.register_load_state_dict_post_hook(_control_loaded)
        self.control_changed()

    @property
    def theta_shape(self) -> tuple[int, ...]:
        return tuple(self.control.shape)

    def identity(self, *, dtype: torch.dtype | None = None, device: torch.device | None = None) -> Tensor:
        return self.control.detach().to(dtype=dtype, device=device, copy=True)

    def coefficients(self, theta: Float[Tensor, "*batch K D"]) -> Float[Tensor, "*batch K D"]:
        """What the basis is multiplied by: how far theta is from the control points, exactly 0 at the identity."""
        dtype = coordinates.point_dtype(theta)
        return theta.to(dtype) - self.control.to(theta.device, theta.dtype).to(dtype)

    def displacement(self, theta: Tensor, points: Tensor) -> Tensor:
        dtype = coordinates.point_dtype(theta, points)
        return self.basis(points.to(dtype)) @ self.coefficients(theta).to(dtype)

    def grid_basis(
        self, size: Sequence[int], *, align_corners: bool, dtype: torch.dtype, device: torch.device
    ) -> Float[Tensor, "points K"]:
        """The basis at every pixel of a grid, kept for the last few sizes, dtypes and devices."""
        key = (tuple(size), align_corners, dtype, device)
        if torch.compiler.is_compiling():
            return self._compute_grid_basis(*key)
        basis = self._grid_bases.get(key)
        if basis is None:
            # Inference tensors cannot be saved for a later backward pass.
            with torch.inference_mode(mode=False), torch.no_grad():
                basis = self._compute_grid_basis(*key)
            if not _outlives_the_call(basis):
                return basis
        # Each step is safe beside other threads, which may drop what this one has just kept.
        self._grid_bases.pop(key, None)
        self._grid_bases[key] = basis
        if len(self._grid_bases) > _KEPT_SIZES:
            self._grid_bases.popitem(last=False)
        return basis

    def _compute_grid_basis(
        self, size: tuple[int, ...], align_corners: bool, dtype: torch.dtype, device: torch.device
    ) -> Tensor:
        points = coordinates.regular_grid(size, align_corners=align_corners, dtype=torch.float64, device=None)
        basis = self.basis(points.flatten(0, -2)).to(dtype=dtype, device=device)
        # Stored a term after the other, each from a multiple of 16 pixels on: backends read one term of many
        # neighbouring pixels at a time, and a vector that spans two cache lines takes twice as long to load.
        pixels, terms = basis.shape
        stored = basis.new_zeros(terms, -(-pixels // _ALIGNED) * _ALIGNED)[:, :pixels].mT
        return stored.copy_(basis)

    def control_changed(self) -> None:
        """Called whenever the buffer `control` has a new value; drops all that was derived from the old one."""
        self._grid_bases.clear()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        applied = super()._apply(fn, recurse)
        self.control_changed()
        return applied

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_grid_bases": OrderedDict()}


def _outlives_the_call(tensor: Tensor) -> bool:
    """Whether it is a plain tensor: not a fake one, nor one of a `torch.func` transform, which belong to their mode."""
    wrapped: bool = torch._C._functorch.is_functorch_wrapped_tensor(tensor)  # pyright: ignore
    return type(tensor) is Tensor and not wrapped


def _control_loaded(module: nn.Module, incompatible: object) -> None:
    del incompatible
    if isinstance(module, AbstractSpline):
        module.control_changed()


def control_points(control: Sequence[int] | Tensor, ndim: int) -> Float[Tensor, "K D"]:
    """Control points from their counts in tensor order (``(4, 4)``: a lattice from -1 to 1) or given as ``(K, D)``."""
    if isinstance(control, Tensor):
        if control.ndim != 2 or control.shape[1] != ndim:
            raise ShapeError(f"control: expected (points, {ndim}), got {tuple(control.shape)}.")
        return control.detach().clone() if control.is_floating_point() else control.to(torch.get_default_dtype())
    return coordinates.corner_grid(lattice_counts(control, ndim), dtype=torch.float64).to(torch.get_default_dtype())


def lattice_counts(counts: Sequence[int], ndim: int) -> tuple[int, ...]:
    """Check the counts of a control lattice, in tensor order."""
    given: Any = counts
    checked: tuple[Any, ...] = tuple(given) if hasattr(given, "__iter__") else ()
    if len(checked) != ndim or not all(isinstance(count, int) and count >= 2 for count in checked):
        raise OptionError(
            f"control: expected {ndim} counts of at least 2, in tensor order, got {counts!r}. "
            f"Use control=({', '.join(['4'] * ndim)}{',' if ndim == 1 else ''})."
        )
    return checked
