"""Checks of a user's input, made once at the public border.

A message says the argument, what was expected, what was given, and the usual fix.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor

from unwarp._typing import Size
from unwarp.errors import DeviceError, DtypeError, OptionError, ShapeError

_DIMENSIONS = (1, 2, 3)


def nearest_names(given: object, known: Iterable[str]) -> str:
    """`` Did you mean 'x'?``, or nothing when no known name is close."""
    close = get_close_matches(str(given), list(known), n=2)
    return f" Did you mean {' or '.join(repr(name) for name in close)}?" if close else ""


def option(argument: str, given: object, known: Sequence[str]) -> None:
    """Refuse a value that is not one of the known names."""
    if given not in known:
        raise OptionError(
            f"{argument}: expected one of {', '.join(known)}, got {given!r}.{nearest_names(given, known)}"
        )


def antialias(value: Any) -> None:
    """Refuse what is neither a switch nor the largest stretch of the kernel."""
    if not isinstance(value, bool | int | float) or (not isinstance(value, bool) and not value >= 1):
        raise OptionError(
            f"antialias: expected True, False, or the largest shrink to filter, at least 1, got {value!r}. "
            "Use antialias=True."
        )


def tensor(argument: str, value: Any) -> None:
    """Refuse what is no tensor."""
    if not isinstance(value, Tensor):
        raise DtypeError(f"{argument}: expected a torch.Tensor, got {type(value).__name__}. Use torch.as_tensor.")


def floating(argument: str, value: Any) -> None:
    """Refuse what is no floating-point tensor."""
    tensor(argument, value)
    if not value.is_floating_point():
        raise DtypeError(f"{argument}: expected a floating-point tensor, got {value.dtype}. Use {argument}.float().")


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
    if floating_only and not (value.is_floating_point() or value.is_complex()):
        raise DtypeError(
            f"image: mode {mode!r} blends pixels and needs a floating-point image, got {value.dtype}. "
            "Use image.float(), or mode='nearest'."
        )
    return ndim


def size(value: Size, ndim: int) -> tuple[int, ...]:
    """Check an output size and return it as a tuple in tensor order."""
    sizes = (value,) * ndim if isinstance(value, int) else tuple(value)
    if len(sizes) != ndim or not all(isinstance(n, int) and not isinstance(n, bool) for n in sizes):
        order = ("(width,)", "(height, width)", "(depth, height, width)")[ndim - 1]
        raise ShapeError(f"size: expected {ndim} integers {order}, got {value!r}.")
    if min(sizes) < 1:
        raise ShapeError(f"size: expected at least 1 pixel along every axis, got {sizes}.")
    return sizes


def theta(value: Any, theta_shape: tuple[int, ...], name: str) -> None:
    """Check the trailing shape of theta: ``(batch, *theta_shape)`` or ``(batch, k, *theta_shape)``."""
    floating("theta", value)
    rank = len(theta_shape)
    expected = f"(batch, {', '.join(map(str, theta_shape))})"
    if value.ndim not in (rank + 1, rank + 2) or tuple(value.shape[value.ndim - rank :]) != theta_shape:
        hint = " For a single image use theta[None]." if tuple(value.shape) == theta_shape else ""
        raise ShapeError(
            f"theta: expected {expected} for {name}, or (batch, k, ...) for k warps of each image, "
            f"got {_shape(value)}.{hint}"
        )
    if 0 in value.shape:
        raise ShapeError(
            f"theta: expected no empty dimension, got {_shape(value)}. Skip empty batches before the call."
        )


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
    filled = torch.as_tensor(value, device=like.device)
    if padding_mode != "fill":
        if isinstance(value, int | float) and value == 0:
            return None
        raise OptionError(f"fill_value: only padding_mode='fill' uses it, got padding_mode={padding_mode!r}.")
    if filled.ndim > 1 or (filled.ndim == 1 and filled.shape[0] not in (1, channels)):
        raise ShapeError(
            f"fill_value: expected a number or one value for each of {channels} channels, got {_shape(filled)}."
        )
    return filled.expand(channels)


def _shape(value: Tensor) -> str:
    return str(tuple(value.shape))
