"""A warp like one before goes straight to its op: its checks have passed, its backend is chosen.

In a loop of calls that saves microseconds. In a training step everything between two calls pushes the code of the
checks out of the caches, and they cost as much as the warp of a batch of digits (``benchmarks/step.py``).
"""

import math
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple, TypeAlias, cast
from weakref import ReferenceType, ref

import torch
from torch import Tensor

from unwarp import coordinates
from unwarp._eager import eager
from unwarp.backends import Case, Sampling, choose
from unwarp.backends.base import Op
from unwarp.backends.native import Native
from unwarp.backends.native_placed import Call, run
from unwarp.transforms import (
    AbstractSpline,
    AbstractTransform,
    Affine,
    BSpline,
    PiecewiseAffine,
    Projective,
    ThinPlateSpline,
)
from unwarp.transforms.pixels import matrix_rows

Key: TypeAlias = tuple[Hashable, ...]
Repeat: TypeAlias = Callable[[Tensor, Tensor, AbstractTransform], Tensor]

_MOST = 64
_ELEMENTWISE = (Affine, Projective, BSpline, PiecewiseAffine, ThinPlateSpline)
"""Families that make no product of matrices, which autocast would round."""

_kept: dict[Key, tuple[ReferenceType[AbstractTransform], Repeat]] = {}
"""No transform lives longer for a call with it: some hold much memory."""


def key(
    image: Tensor,
    theta: Tensor,
    transform: object,
    size: object,
    mode: object,
    padding_mode: object,
    fill_value: object,
    align_corners: object,
    antialias: object,
    backend: object,
) -> Key | None:
    """All that the checks of a call and the choice of its backend go by; ``None`` where there is more to it.

    The arguments are those of `unwarp.warp`, not checked yet. Equal keys are of equal types, so that 1 does not pass
    where ``True`` has passed.
    """
    if not eager(image, theta) or not (image.is_cpu and theta.is_cpu):
        return None
    if antialias is not False or type(align_corners) is not bool or type(fill_value) is not float:
        return None
    if type(mode) is not str or type(padding_mode) is not str or padding_mode == "fill" or type(backend) is not str:
        return None
    if not (size is None or _plain(size)) or not isinstance(transform, str | AbstractTransform):
        return None
    family = transform if isinstance(transform, str) else id(transform)
    tensors = (image.shape, image.dtype, image.layout, theta.shape, theta.dtype, theta.layout)
    return *tensors, family, size, mode, padding_mode, fill_value, align_corners, backend


def again(key: Key | None, image: Tensor, theta: Tensor) -> Tensor | None:
    """The result of a call with this key, where one was kept."""
    kept = None if key is None else _kept.get(key)
    family = None if kept is None else kept[0]()
    return None if kept is None or family is None else kept[1](image, theta, family)


def keep(
    key: Key,
    image: Tensor,
    theta: Tensor,
    family: AbstractTransform,
    size: tuple[int, ...],
    sampling: Sampling,
    backend: str,
) -> None:
    """Remember what a call that has passed comes to, if that is one of the C++ ops.

    Args:
        key: of the call.
        image, theta, backend: its arguments.
        family, size, sampling: what it made of the others.
    """
    inner, reduced = family.reduced(theta)
    several = len(theta) != len(image) or theta.ndim > len(family.theta_shape) + 1
    if several or reduced.dtype != coordinates.point_dtype(image, reduced):
        return
    op: Op | None = "matrix" if inner.has_matrix else "basis" if _has_fixed_basis(inner) else None
    if op is None:
        return
    chosen = choose(Case(op, inner.ndim, "cpu", image.dtype, reduced.dtype, sampling), backend)
    options = chosen.settled(image, reduced, sampling) if isinstance(chosen, Native) else None
    if options is None:
        return
    if len(_kept) >= _MOST:
        _kept.clear()
    with torch.inference_mode(mode=False):  # inference tensors cannot be saved for a later backward pass
        repeat = (_by_matrix if op == "matrix" else _by_basis)(image, reduced, inner, size, sampling, options)
    _kept[key] = ref(family), repeat if type(family) in _ELEMENTWISE else _without_autocast(repeat)


class _Scaled(NamedTuple):
    factors: Tensor

    def place(self, theta: Tensor) -> Tensor:
        return theta * self.factors

    def adjoint(self, grad: Tensor) -> Tensor:
        return grad * self.factors


class _Extended(NamedTuple):
    """The numbers of a projective theta, and the matrix's last, which is 1."""

    factors: Tensor
    ones: Tensor

    def place(self, theta: Tensor) -> Tensor:
        rank = math.isqrt(theta.shape[1] + 1)
        return torch.cat([theta * self.factors, self.ones], dim=1).view(-1, rank, rank)

    def adjoint(self, grad: Tensor) -> Tensor:
        return grad.flatten(1)[:, :-1] * self.factors


class _Displaced(NamedTuple):
    """Where control points go, from where they are."""

    control: Tensor
    scale: Tensor

    def place(self, theta: Tensor) -> Tensor:
        return (theta - self.control) * self.scale

    def adjoint(self, grad: Tensor) -> Tensor:
        return grad * self.scale


def _by_matrix(
    image: Tensor,
    theta: Tensor,
    family: AbstractTransform,
    size: tuple[int, ...],
    sampling: Sampling,
    options: tuple[Any, ...],
) -> Repeat:
    rows = family.ndim + family.projective
    shape = (tuple(image.shape[2:]), size, rows, sampling.align_corners, theta.dtype)
    factors = coordinates.kept_factors(*shape)
    placing = _Scaled(factors)
    if type(family) is Projective:
        placing = _Extended(factors.flatten()[:-1], theta.new_ones(len(theta), 1))
    call = Call("warp_matrix", placing, (), size, options, sampling)

    def repeat(image: Tensor, theta: Tensor, family: AbstractTransform) -> Tensor:
        inner, reduced = family.reduced(theta)
        return run(call, image, reduced if type(inner) is Projective else matrix_rows(inner, reduced))

    return repeat


def _by_basis(
    image: Tensor,
    theta: Tensor,
    family: AbstractTransform,
    size: tuple[int, ...],
    sampling: Sampling,
    options: tuple[Any, ...],
) -> Repeat:
    del family
    dtype, cpu, aligned = theta.dtype, torch.device("cpu"), sampling.align_corners
    ratio = coordinates.extent_ratios(image.shape[2:], size, align_corners=aligned)
    scale = torch.tensor(coordinates.half_extents(image.shape[2:], align_corners=aligned), dtype=dtype, device=cpu)

    def repeat(image: Tensor, theta: Tensor, family: AbstractTransform) -> Tensor:
        inner, reduced = family.reduced(theta)
        spline = cast("AbstractSpline", inner)
        basis = spline.grid_basis(size, align_corners=aligned, dtype=dtype, device=cpu)
        placing = _Displaced(spline.control.to(dtype), scale)
        return run(Call("warp_basis", placing, (basis, ratio), size, options, sampling), image, reduced)

    return repeat


def _without_autocast(repeat: Repeat) -> Repeat:
    def repeat_in_full_precision(image: Tensor, theta: Tensor, family: AbstractTransform) -> Tensor:
        with coordinates.full_precision(image.device):
            return repeat(image, theta, family)

    return repeat_in_full_precision


def _has_fixed_basis(family: AbstractTransform) -> bool:
    """Whether it is a spline as we know them: its coefficients are displacements, its basis passes no gradient."""
    if not isinstance(family, AbstractSpline):
        return False
    kind, known = type(family), AbstractSpline
    return kind.grid_basis is known.grid_basis and kind.coefficients is known.coefficients


def _plain(size: object) -> bool:
    return type(size) is tuple and all(type(extent) is int for extent in cast("tuple[object, ...]", size))
