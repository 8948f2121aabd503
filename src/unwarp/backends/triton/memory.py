"""Memory order: which one an op works in, and tensors in it.

Images are planes of channels, or channels last; what an op returns has the order of the image it was given.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def prefers_channels_last(image: Tensor) -> bool:
    """Whether the channels of a pixel lie next to one another, and the image is not also a stack of planes."""
    return image.ndim > 3 and image.shape[1] > 1 and image.stride(1) == 1 and not _ordered(image, last=False)


def dense(image: Tensor, *, last: bool) -> Tensor:
    """The image with each element of its batch in one block in the wanted order; copied only where it is not.

    The batch's own stride is left alone: an expanded batch stays expanded.
    """
    return image if _ordered(image, last=last) else image.contiguous(memory_format=_format(image.ndim, last=last))


def dense_batch(image: Tensor, *, last: bool) -> Tensor:
    """The whole batch in one block in the wanted order; copied only where it is not."""
    follows = image.shape[0] == 1 or image.stride(0) == image.shape[1:].numel()
    if follows and _ordered(image, last=last):
        return image
    return image.contiguous(memory_format=_format(image.ndim, last=last))


def empty(shape: Sequence[int], like: Tensor, *, last: bool, dtype: torch.dtype | None = None) -> Tensor:
    """An uninitialised tensor in the wanted order."""
    return torch.empty(
        list(shape), dtype=dtype or like.dtype, device=like.device, memory_format=_format(len(shape), last=last)
    )


def _format(ndim: int, *, last: bool) -> torch.memory_format:
    if not last:
        return torch.contiguous_format
    return torch.channels_last if ndim == 4 else torch.channels_last_3d


def _ordered(image: Tensor, *, last: bool) -> bool:
    axes = [1, *reversed(range(2, image.ndim))] if last else [*reversed(range(1, image.ndim))]
    expected = 1
    for axis in axes:
        if image.shape[axis] != 1 and image.stride(axis) != expected:
            return False
        expected *= image.shape[axis]
    return True
