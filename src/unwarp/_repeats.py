"""A warp like one before goes straight to its op: its checks have passed, its backend is chosen.

In a loop of calls that saves microseconds. In a training step everything between two calls pushes the code of the
checks out of the caches, and they cost as much as the warp of a batch of digits (``benchmarks/step.py``).
"""

from collections.abc import Callable, Hashable
from typing import TypeAlias, cast
from weakref import ReferenceType, ref

import torch
from torch import Tensor

from unwarp import coordinates
from unwarp._eager import eager, transformed
from unwarp.backends import Case, Sampling, choose
from unwarp.backends.base import Op
from unwarp.backends.native import Native, Settled
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
    if not eager(image, theta) or transformed() or not (image.is_cpu and theta.is_cpu):
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
    settled = chosen.settled(f"warp_{op}", image, reduced, sampling) if isinstance(chosen, Native) else None
    if settled is None:
        return
    if len(_kept) >= _MOST:
        _kept.clear()
    build = _by_matrix if op == "matrix" else _by_basis
    repeat = build(reduced.dtype, tuple(image.shape[2:]), size, sampling.align_corners, settled)
    _kept[key] = ref(family), repeat if type(family) in _ELEMENTWISE else _without_autocast(repeat)


def _by_matrix(
    dtype: torch.dtype,
    size_in: tuple[int, ...],
    size: tuple[int, ...],
    align_corners: bool,
    settled: Settled,
) -> Repeat:
    op, options = settled

    def repeat(image: Tensor, theta: Tensor, family: AbstractTransform) -> Tensor:
        inner, reduced = family.reduced(theta)
        rows = matrix_rows(inner, reduced)
        factors = coordinates.kept_factors(size_in, size, rows.shape[-2], align_corners, dtype)
        return op(image, rows * factors, size, *options)

    return repeat


def _by_basis(
    dtype: torch.dtype,
    size_in: tuple[int, ...],
    size: tuple[int, ...],
    align_corners: bool,
    settled: Settled,
) -> Repeat:
    op, options = settled
    cpu = torch.device("cpu")
    ratio = coordinates.extent_ratios(size_in, size, align_corners=align_corners)
    # Inference tensors cannot be saved for a later backward pass.
    with torch.inference_mode(mode=False):
        extents = coordinates.half_extents(size_in, align_corners=align_corners)
        scale = torch.tensor(extents, dtype=dtype, device=cpu)

    def repeat(image: Tensor, theta: Tensor, family: AbstractTransform) -> Tensor:
        inner, reduced = family.reduced(theta)
        spline = cast("AbstractSpline", inner)
        basis = spline.grid_basis(size, align_corners=align_corners, dtype=dtype, device=cpu)
        return op(image, spline.coefficients(reduced) * scale, basis, ratio, size, *options)

    return repeat


def _without_autocast(repeat: Repeat) -> Repeat:
    def repeat_in_full_precision(image: Tensor, theta: Tensor, family: AbstractTransform) -> Tensor:
        with coordinates.full_precision(image.device):
            return repeat(image, theta, family)

    return repeat_in_full_precision


def _has_fixed_basis(family: AbstractTransform) -> bool:
    """Whether it is a spline whose basis at the pixels passes no gradient."""
    return isinstance(family, AbstractSpline) and type(family).grid_basis is AbstractSpline.grid_basis


def _plain(size: object) -> bool:
    return type(size) is tuple and all(type(extent) is int for extent in cast("tuple[object, ...]", size))
