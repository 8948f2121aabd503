"""Checks of a user's input, made once at the public border.

A message says the argument, what was expected, what was given, and the usual fix.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from unwarp._numbers import is_integer
from unwarp.errors import DeviceError, DtypeError, OptionError, ShapeError

T = TypeVar("T")

_DIMENSIONS = (1, 2, 3)
_FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
_WITHOUT_OPS = (torch.uint16, torch.uint32, torch.uint64)
_LARGEST_AXIS = 2**30
_MOST_PIXELS = 2**40


def nearest_names(given: object, known: Iterable[str]) -> str:
    """`` Did you mean 'x'?``, or nothing when no known name is close."""
    close = get_close_matches(str(given), list(known), n=2)
    return f" Did you mean {' or '.join(repr(name) for name in close)}?" if close else ""


def option(argument: str, given: object, known: Sequence[T]) -> T:
    """Refuse a value that is not one of the known ones, and return which of them it is."""
    for value in known:
        if isinstance(given, type(value)) and given == value:
            return value
    names = ", ".join(map(str, known))
    hint = nearest_names(given, map(str, known))
    raise OptionError(f"{argument}: expected one of {names}, got {given!r}.{hint}")


def antialias(value: Any) -> None:
    """Refuse what is neither a switch nor the largest stretch of the kernel."""
    if not isinstance(value, (bool, int, float)) or (not isinstance(value, bool) and not value >= 1):
        raise OptionError(
            f"antialias: expected True, False, or the largest shrink to filter, at least 1, got {value!r}. "
            "Use antialias=True."
        )


def switch(argument: str, value: Any) -> None:
    """Refuse what is neither true nor false: the string "False" would count as true."""
    if not isinstance(value, bool):
        raise OptionError(f"{argument}: expected True or False, got {value!r}. Use {argument}=False, the default.")


def count(argument: str, value: Any) -> int:
    """Refuse what is no positive integer."""
    if not is_integer(value) or value < 1:
        raise OptionError(f"{argument}: expected a positive integer, got {value!r}. Leave it out for the default.")
    return int(value)


def counts(argument: str, value: Any, ndim: int, *, least: int) -> tuple[int, ...]:
    """Check how many points or pixels a lattice has along each axis, in tensor order."""
    try:
        given = tuple(cast("Iterable[Any]", value))
    except TypeError:  # also a tensor or array without an axis, iterable by its class alone
        given = ()
    if len(given) != ndim or not all(is_integer(entry) and entry >= least for entry in given):
        raise OptionError(
            f"{argument}: expected {ndim} counts of at least {least}, in tensor order, got {value!r}. "
            f"Use {argument}=({', '.join(['4'] * ndim)}{',' if ndim == 1 else ''})."
        )
    return tuple(int(entry) for entry in given)


def tensor(argument: str, value: Any) -> None:
    """Refuse what is no dense tensor."""
    if not isinstance(value, Tensor):
        raise DtypeError(f"{argument}: expected a torch.Tensor, got {type(value).__name__}. Use torch.as_tensor.")
    if value.layout is not torch.strided:
        raise DtypeError(
            f"{argument}: expected a dense tensor, got the layout {value.layout}. Use {argument}.to_dense()."
        )


def floating(argument: str, value: Any) -> None:
    """Refuse what is no floating-point tensor."""
    tensor(argument, value)
    if value.dtype not in _FLOATS:
        fix = f"{argument}.real" if value.is_complex() else f"{argument}.float()"
        raise DtypeError(
            f"{argument}: expected float32, float64, float16 or bfloat16, got {_plain(value.dtype)}. Use {fix}."
        )


def floating_dtype(value: Any) -> None:
    """Refuse a dtype that coordinates cannot have."""
    if value not in _FLOATS:
        raise DtypeError(
            f"dtype: expected float32, float64, float16 or bfloat16, got {_plain(value)}. Use dtype=torch.float32."
        )


def image(value: Any, *, floating_only: bool, mode: str) -> int:
    """Check an image batch and return its number of spatial dimensions."""
    tensor("image", value)
    ndim = value.ndim - 2
    if ndim not in _DIMENSIONS:
        raise ShapeError(
            f"image: expected (batch, channels, *spatial) with 1 to 3 spatial dimensions, got {_shape(value)}. "
            "Add the missing axes, for example image[None] for a single image."
        )
    if 0 in value.shape:
        raise ShapeError(
            f"image: expected no empty dimension, got {_shape(value)}. Skip empty batches before the call."
        )
    if value.dtype in _FLOATS:
        return ndim
    whole = not (value.is_floating_point() or value.is_complex())
    if value.dtype in _WITHOUT_OPS:
        raise DtypeError(
            f"image: expected a dtype that torch computes with, got {_plain(value.dtype)}. "
            f"Use image.to(torch.{'int32' if value.dtype == torch.uint16 else 'int64'})."
        )
    if floating_only and whole:
        raise DtypeError(
            f"image: mode {mode!r} blends pixels and needs a floating-point image, got {_plain(value.dtype)}. "
            "Use image.float(), or mode='nearest'."
        )
    if value.is_floating_point() and value.dtype not in _FLOATS:
        raise DtypeError(
            f"image: expected float32, float64, float16 or bfloat16, got {_plain(value.dtype)}. Use image.float()."
        )
    return ndim


def size(value: Any, ndim: int | None = None) -> tuple[int, ...]:
    """Check an output size and return it as a tuple in tensor order.

    Args:
        value: pixels along each axis; one number stands for all axes.
        ndim: number of axes; 1 to 3 where not known.
    """
    sizes = (value,) * (ndim or 1) if is_integer(value) else _entries_of(value)
    if sizes is None or len(sizes) not in ((ndim,) if ndim else _DIMENSIONS) or not all(map(is_integer, sizes)):
        raise ShapeError(f"size: expected {_axes(ndim)}, got {value!r}. Use a tuple of int.")
    if min(sizes) < 1 or _too_large(sizes):
        raise ShapeError(
            f"size: expected 1 to 2^30 pixels along every axis and at most 2^40 in all, got {value!r}. "
            "Sizes are pixels, not factors."
        )
    # A size that is symbolic while torch traces stays so: int() would make it a constant of the graph.
    return cast("tuple[int, ...]", tuple(n if isinstance(n, torch.SymInt) else int(n) for n in sizes))


def _entries_of(value: Any) -> tuple[Any, ...] | None:
    return tuple(cast("Sequence[Any]", value)) if isinstance(value, Sequence) and not isinstance(value, str) else None


def _too_large(sizes: tuple[int, ...]) -> bool:
    """Whether positions would count as infinite (`unwarp.padding`), or no memory could hold the result."""
    # A graph made for any size must not be bound to those that are small enough.
    return not torch.compiler.is_compiling() and (max(sizes) > _LARGEST_AXIS or math.prod(sizes) > _MOST_PIXELS)


def _axes(ndim: int | None) -> str:
    if ndim is None:
        return "1 to 3 integers in tensor order, for example (height, width)"
    return f"{ndim} integers {('(width,)', '(height, width)', '(depth, height, width)')[ndim - 1]}"


def theta(value: Any, theta_shape: tuple[int, ...], name: str, *, alternatives: Callable[[], Iterable[str]]) -> None:
    """Check the trailing shape of theta: ``(batch, *theta_shape)`` or ``(batch, k, *theta_shape)``.

    Args:
        name: the family, for the message.
        alternatives: families that theta would fit, asked for only when it does not fit this one.
    """
    floating("theta", value)
    shape, rank = value.shape, len(theta_shape)
    if len(shape) - rank not in (1, 2) or shape[len(shape) - rank :] != theta_shape:
        raise ShapeError(
            f"theta: expected (batch, {_entries(theta_shape)}) for {name}, or (batch, k, ...) for k warps an image, "
            f"got {_shape(value)}.{_theta_hint(tuple(value.shape), theta_shape, alternatives())}"
        )
    if 0 in value.shape:
        raise ShapeError(
            f"theta: expected no empty dimension, got {_shape(value)}. Skip empty batches before the call."
        )


def _theta_hint(given: tuple[int, ...], theta_shape: tuple[int, ...], alternatives: Iterable[str]) -> str:
    fitting = " or ".join(alternatives)
    if given == theta_shape:
        return " For a single image use theta[None]."
    if len(given) > 1 and math.prod(given[1:]) == math.prod(theta_shape):
        return f" Use theta.view(-1, {_entries(theta_shape)})."
    if fitting:
        return f" Did you mean {fitting}?"
    return " Localise as many parameters as the family has: transform.theta_shape."


def batches(argument: str, given: int, images: int) -> None:
    """Refuse batches that do not belong together."""
    if given != images and 1 not in (given, images):
        raise ShapeError(
            f"{argument}: expected the image's batch {images}, got {given}. "
            f"Use one image or one {argument} for all, or k warps of each image: (batch, k, ...)."
        )


def same_device(argument: str, given: Tensor, reference: Tensor) -> None:
    """Refuse tensors on different devices."""
    if given.device != reference.device:
        raise DeviceError(
            f"{argument}: expected the image's device {reference.device}, got {given.device}. "
            f"Use {argument}.to(image.device)."
        )


def fill_value(
    value: float | Sequence[float] | Tensor, channels: int, padding_mode: str, like: Tensor
) -> Tensor | None:
    """Check ``fill_value`` and return it as one value a channel; ``None`` unless ``padding_mode='fill'``."""
    if padding_mode != "fill":
        if isinstance(value, (int, float)) and value == 0:
            return None
        raise OptionError(
            f"fill_value: expected 0 with padding_mode={padding_mode!r}, which does not use it, got {value!r}. "
            "Use padding_mode='fill'."
        )
    filled = _as_tensor(value, like)
    if filled.ndim > 1 or (filled.ndim == 1 and filled.shape[0] not in (1, channels)):
        raise ShapeError(
            f"fill_value: expected a number or one value for each of {channels} channels, got {_shape(filled)}. "
            "Use a list of one number a channel."
        )
    return filled.expand(channels)


def fill_from_border(value: str, padding_mode: str) -> None:
    """Check a ``fill_value`` that is a word: ``"background"``, with ``padding_mode="fill"``."""
    if value != "background":
        raise DtypeError(
            f"fill_value: expected a number, one a channel, or 'background', got {value!r}. Use fill_value=0.5."
        )
    if padding_mode != "fill":
        raise OptionError(
            f"fill_value: expected 0 with padding_mode={padding_mode!r}, which does not use it, got {value!r}. "
            "Use padding_mode='fill'."
        )


def _as_tensor(value: Any, like: Tensor) -> Tensor:
    try:
        filled = torch.as_tensor(value, device=like.device)
        if not isinstance(value, Tensor) and like.dtype not in (torch.float16, torch.bfloat16, torch.float32):
            # Not rounded to float32, torch's default.
            wide = torch.complex128 if filled.is_complex() else torch.float64
            filled = torch.as_tensor(value, device=like.device, dtype=wide) if filled.dtype in _ROUNDED else filled
    except (TypeError, ValueError, RuntimeError) as error:
        raise DtypeError(
            f"fill_value: expected a number or one a channel, got {value!r}. Use fill_value=0.5, or a list of numbers."
        ) from error
    if not _holds(like.dtype, filled):
        raise DtypeError(
            f"fill_value: expected what an image of {_plain(like.dtype)} can hold, got {value!r}. "
            "Use a floating-point image, or a whole number in its range."
        )
    return filled


_ROUNDED = (torch.float32, torch.complex64)


def _holds(dtype: torch.dtype, filled: Tensor) -> bool:
    """Whether an image of this dtype can have these values; a fraction is rounded, but not to a whole number."""
    if dtype.is_complex or filled.is_complex() or dtype.is_floating_point:
        return dtype.is_complex or not filled.is_complex()
    return bool((filled.to(dtype) == filled).all())


def _shape(value: Tensor) -> str:
    return str(tuple(value.shape))


def _entries(shape: tuple[int, ...]) -> str:
    return ", ".join(map(str, shape))


def _plain(dtype: object) -> str:
    return str(dtype).removeprefix("torch.")
