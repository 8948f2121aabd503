"""A call like one before goes straight to its op: its checks have passed, its backend is chosen.

That shows where images are small: ``calls`` in ``benchmarks/results/cpu-tried.json``.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple, TypeAlias, cast
from weakref import ReferenceType, ref

import torch
from torch import Tensor

from unwarp import coordinates
from unwarp._eager import eager
from unwarp.backends import Backend, Case, Sampling, choose
from unwarp.backends.base import Op
from unwarp.backends.native import Native, differentiated
from unwarp.backends.native_placed import Call, Displaced, Extended, Scaled, run
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
Repeat: TypeAlias = Callable[[Tensor, Tensor, AbstractTransform], Tensor | None]
GridRepeat: TypeAlias = Callable[[Tensor, Tensor], Tensor]

_MOST = 64
_ELEMENTWISE = (Affine, Projective, BSpline, PiecewiseAffine, ThinPlateSpline)
"""Families that make no product of matrices, which autocast would round."""


class Kept(NamedTuple):
    """What the calls with one key come to.

    Attributes:
        family: no transform lives longer for a call with it: some hold much memory.
        theta_shape: of the family at that time.
        repeat: ``None`` where the calls are more than one C++ op.
    """

    family: ReferenceType[AbstractTransform]
    theta_shape: tuple[int, ...]
    repeat: Repeat | None


_kept: dict[Key, Kept] = {}
_kept_grids: dict[Key, GridRepeat | None] = {}


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

    The arguments are those of `unwarp.warp`, not checked yet; for `unwarp.sample` theta is the grid, and the transform
    any name. Equal keys are of equal types, so that 1 does not pass where ``True`` has passed.
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
    """The result of a call with this key, where one was kept that still holds."""
    kept = None if key is None else _kept.get(key)
    family = None if kept is None else kept.family()
    if kept is None or kept.repeat is None or family is None or family.theta_shape != kept.theta_shape:
        return None
    return kept.repeat(image, theta, family)


def first(
    key: Key | None,
    image: Tensor,
    theta: Tensor,
    family: AbstractTransform,
    size: tuple[int, ...],
    sampling: Sampling,
    backend: str,
) -> Tensor | None:
    """The result of a checked call, if it is one of the C++ ops: as `again` will give it, also to autograd.

    Args:
        key: of the call, to keep it by.
        image, theta, backend: its arguments.
        family, size, sampling: what it made of the others.
    """
    if key is None:
        return None
    kept = _kept.get(key)
    if kept is None or kept.family() is not family or kept.theta_shape != family.theta_shape:
        if len(_kept) >= _MOST:
            _kept.clear()
        with torch.inference_mode(mode=False), torch.no_grad(), coordinates.full_precision(image.device):
            repeat = _repeat(image, theta, family, size, sampling, backend)
        kept = _kept[key] = Kept(ref(family), family.theta_shape, repeat)
    return None if kept.repeat is None else kept.repeat(image, theta, family)


def grid_again(key: Key | None, image: Tensor, grid: Tensor) -> Tensor | None:
    """What sampling at a grid with this key gives, where one such call was kept."""
    repeat = None if key is None else _kept_grids.get(key)
    return None if repeat is None else repeat(image, grid)


def keep_grid(
    key: Key | None, image: Tensor, grid: Tensor, scale: Sequence[float], sampling: Sampling, chosen: Backend
) -> None:
    """Remember a checked call, if it is the C++ op and nothing else: `grid_again` then does what it does.

    Args:
        key: of the call, to keep it by.
        image, grid: its arguments.
        scale, sampling, chosen: what it made of the others.
    """
    if key is None or key in _kept_grids:
        return
    if len(_kept_grids) >= _MOST:
        _kept_grids.clear()
    _kept_grids[key] = None
    whole = len(grid) == len(image) and grid.ndim == image.ndim
    if not whole or not isinstance(chosen, Native) or grid.dtype != coordinates.point_dtype(image, grid):
        return
    options = chosen.settled(image, grid, sampling)
    if options is not None:
        op = differentiated("sample_grid")
        _kept_grids[key] = lambda image, grid: op(image, grid, scale, *options)


def _repeat(
    image: Tensor,
    theta: Tensor,
    family: AbstractTransform,
    size: tuple[int, ...],
    sampling: Sampling,
    backend: str,
) -> Repeat | None:
    if len(theta) != len(image) or theta.ndim > len(family.theta_shape) + 1:
        return None
    inner, reduced = family.reduced(theta)
    if reduced.dtype != coordinates.point_dtype(image, reduced):
        return None
    if not inner.has_matrix and not _has_fixed_basis(inner):
        return None
    op: Op = "matrix" if inner.has_matrix else "basis"
    made = matrix_rows(inner, reduced) if op == "matrix" else reduced
    chosen = choose(Case(op, inner.ndim, "cpu", image.dtype, made.dtype, sampling), backend)
    if not isinstance(chosen, Native) or made.dtype != reduced.dtype:
        return None
    options = chosen.settled(image, reduced, sampling)
    if options is None:
        return None
    repeat = (_by_matrix if op == "matrix" else _by_basis)(image, reduced, inner, size, sampling, options)
    return repeat if type(family) in _ELEMENTWISE else _without_autocast(repeat)


def _by_matrix(
    image: Tensor,
    theta: Tensor,
    family: AbstractTransform,
    size: tuple[int, ...],
    sampling: Sampling,
    options: tuple[Any, ...],
) -> Repeat:
    rows = family.ndim + family.projective
    factors = coordinates.kept_factors(tuple(image.shape[2:]), size, rows, sampling.align_corners, theta.dtype)
    placing = Scaled(factors)
    if type(family) is Projective:
        placing = Extended(factors.flatten()[:-1], theta.new_ones(len(theta), 1))
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

    def repeat(image: Tensor, theta: Tensor, family: AbstractTransform) -> Tensor | None:
        inner, reduced = family.reduced(theta)
        spline = cast("AbstractSpline", inner)
        control = spline.control
        if control.requires_grad:
            return None
        basis = spline.grid_basis(size, align_corners=aligned, dtype=dtype, device=cpu)
        placing = Displaced(control.to(cpu, dtype), scale)
        return run(Call("warp_basis", placing, ratio, size, options, sampling), image, reduced, basis)

    return repeat


def _without_autocast(repeat: Repeat) -> Repeat:
    def repeat_in_full_precision(image: Tensor, theta: Tensor, family: AbstractTransform) -> Tensor | None:
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
