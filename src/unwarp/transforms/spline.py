"""Displacing families that are linear in theta: a control lattice and a basis."""

import itertools
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Self, cast
from weakref import WeakSet, WeakValueDictionary

import torch
from torch import Tensor

from unwarp import coordinates
from unwarp._checks import counts
from unwarp._eager import transformed
from unwarp._typing import Float
from unwarp.errors import ShapeError
from unwarp.transforms.base import AbstractDisplacement

_KEPT_SIZES = 8
_KEPT_BYTES = 2**28
_POINTS_AT_ONCE = 2**12
_ALIGNED = 16

_ROUNDED = 0.01
"""How far control points in half precision may be from where they belong."""

_NUMBERS = itertools.count()


class _Alike:
    """All splines with the same basis. Each holds it, so it lives as long as any of them."""

    def __init__(self) -> None:
        self.number = next(_NUMBERS)
        self.splines: WeakSet[AbstractSpline] = WeakSet()


_BY_POINTS: WeakValueDictionary[tuple[type, Hashable, tuple[float, ...]], _Alike] = WeakValueDictionary()
_BY_NUMBER: WeakValueDictionary[int, _Alike] = WeakValueDictionary()


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
        return coordinates.matmul(self.basis(points.to(dtype)), self.coefficients(theta).to(dtype))

    def grid_basis(
        self, size: Sequence[int], *, align_corners: bool, dtype: torch.dtype, device: torch.device
    ) -> Float[Tensor, "points K"]:
        """The basis at every pixel of a grid, kept for the last few sizes, dtypes and devices.

        A constant of a compiled graph, but for graphs that are exported, differentiate by `torch.func`, or are made for
        any size: those compute it.
        """
        key = (tuple(size), align_corners, dtype, device)
        if not torch.compiler.is_compiling():
            return self.kept_grid_basis(*key)
        if torch.compiler.is_exporting() or transformed() or not all(_is_known(n) for n in key[0]):
            return self._compute_grid_basis(*key)
        # Detached, which gives the graph a tensor of known properties.
        return _constant_grid_basis(self._number, *key).detach()

    def kept_grid_basis(
        self, size: tuple[int, ...], align_corners: bool, dtype: torch.dtype, device: torch.device
    ) -> Tensor:
        """`grid_basis`, outside of any trace."""
        key = (size, align_corners, dtype, device)
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
        _drop_oldest(self._grid_bases)
        return basis

    def _compute_grid_basis(
        self, size: tuple[int, ...], align_corners: bool, dtype: torch.dtype, device: torch.device
    ) -> Tensor:
        place = torch.device("meta" if self.control.is_meta else "cpu")
        points = coordinates.regular_grid(size, align_corners=align_corners, dtype=torch.float64, device=place)
        points = points.flatten(0, -2)
        # In parts, whose terms in double precision stay small; a graph knows no number of parts.
        parts: Sequence[Tensor] = [points]
        if not torch.compiler.is_compiling():
            parts = cast("tuple[Tensor, ...]", points.split(_POINTS_AT_ONCE))
        basis = torch.cat([self.basis(part).to(dtype=dtype, device=device) for part in parts])
        # Stored a term after the other, each from a multiple of 16 pixels on: backends read one term of many
        # neighbouring pixels at a time, and a vector that spans two cache lines takes twice as long to load.
        pixels, terms = basis.shape
        stored = basis.new_zeros(terms, -(-pixels // _ALIGNED) * _ALIGNED)[:, :pixels].mT
        return stored.copy_(basis)

    def control_changed(self) -> None:
        """Called whenever the buffer `control` has a new value; drops all that was derived from the old one."""
        self._grid_bases.clear()
        self._register()

    def weights_loaded(self) -> None:
        self.control_changed()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        had_values = not self.control.is_meta
        applied = super()._apply(fn, recurse)
        if had_values:  # memory for a module of the meta device has any values at first
            self.control_changed()
        return applied

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_grid_bases": OrderedDict(), "_alike": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._register()

    def basis_options(self) -> Hashable:
        """What the basis depends on beside the class and the control points; splines alike share compiled graphs."""
        return ()

    def _register(self) -> None:
        """Join the splines with the same basis, whose number changes with the control points."""
        alike, known = _Alike(), type(self).__module__.startswith("unwarp.")
        if known and not self.control.is_meta and _outlives_the_call(self.control):
            points = cast("list[float]", self.control.detach().flatten().tolist())
            alike = _BY_POINTS.setdefault((type(self), self.basis_options(), tuple(points)), alike)
        earlier: _Alike | None = self.__dict__.get("_alike")
        if earlier is not None:
            earlier.splines.discard(self)
        self._alike, self._number = alike, alike.number
        alike.splines.add(self)
        _BY_NUMBER[alike.number] = alike


class AbstractLattice(AbstractSpline):
    """A spline whose control points are a regular lattice from -1 to 1, border included.

    Args:
        control: counts of the control lattice in tensor order (rows, columns), at least 2 each; 4 by default.
        ndim: spatial dimensions.

    Attributes:
        counts: those of the lattice.
    """

    def __init__(self, control: Sequence[int] | None = None, *, ndim: int = 2) -> None:
        ndim = self.known_ndim(ndim)
        self.counts = counts("control", (4,) * ndim if control is None else control, ndim, least=2)
        super().__init__(control_points(self.counts, ndim), ndim)

    def basis_options(self) -> Hashable:
        return self.counts

    def weights_loaded(self) -> None:
        expected = coordinates.corner_grid(self.counts, dtype=torch.float64).to(self.control.device)
        known = not self.control.is_meta and _outlives_the_call(self.control)
        if known and not torch.allclose(self.control.to(torch.float64), expected, atol=_ROUNDED):
            raise ShapeError(
                f"control: expected the points of a lattice of {self.counts}, as this transform has, got another one's "
                f"with the weights. Make the transform with the counts that they were saved with."
            )
        super().weights_loaded()

    def extra_repr(self) -> str:
        return f"control={self.counts}, ndim={self.ndim}"


def _is_known(size: int) -> bool:
    """Whether a size is the same for all calls of the graph that torch compiles."""
    from torch.fx.experimental.symbolic_shapes import has_static_value  # the compiler's own, slow to load

    return has_static_value(size)


def _constant_grid_basis(
    number: int, size: tuple[int, ...], align_corners: bool, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """What a compiled graph keeps: the number is that of the spline's basis, with the control points it has now."""
    return next(iter(_BY_NUMBER[number].splines)).kept_grid_basis(size, align_corners, dtype, device)


# What torch.compiler.assume_constant_result does, which would load the compiler, two seconds' worth, at import.
_constant_grid_basis._dynamo_marked_constant = True  # pyright: ignore[reportFunctionMemberAccess]


def _drop_oldest(bases: OrderedDict[tuple[Any, ...], Tensor]) -> None:
    """Keep a few bases, and of large ones the last alone."""
    while len(bases) > _KEPT_SIZES or (len(bases) > 1 and _bytes(bases) > _KEPT_BYTES):
        try:
            bases.popitem(last=False)
        except KeyError:  # another thread was faster
            return


def _bytes(bases: OrderedDict[tuple[Any, ...], Tensor]) -> int:
    return sum(basis.numel() * basis.element_size() for basis in list(bases.values()))


def _outlives_the_call(tensor: Tensor) -> bool:
    """Whether it is a plain tensor: not a fake one, nor one of a `torch.func` transform, which belong to their mode."""
    wrapped: bool = torch._C._functorch.is_functorch_wrapped_tensor(tensor)  # pyright: ignore
    return type(tensor) is Tensor and not wrapped


def control_points(control: Sequence[int] | Tensor, ndim: int) -> Float[Tensor, "K D"]:
    """Control points from their counts in tensor order (``(4, 4)``: a lattice from -1 to 1) or given as ``(K, D)``."""
    if isinstance(control, Tensor):
        if control.ndim != 2 or control.shape[1] != ndim:
            raise ShapeError(f"control: expected (points, {ndim}), got {tuple(control.shape)}.")
        return control.detach().clone() if control.is_floating_point() else control.to(torch.get_default_dtype())
    return coordinates.corner_grid(counts("control", control, ndim, least=2), dtype=torch.float64).to(
        torch.get_default_dtype()
    )
