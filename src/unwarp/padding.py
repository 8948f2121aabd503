"""What lies outside the image: each padding mode as a map of tap indices and a mask.

| mode | a tap at index i outside 0..n-1 reads | a position at infinity |
|---|---|---|
| zeros | 0 | 0 |
| border | the nearest edge pixel | the edge pixel |
| reflection | its mirror image about the pixel edge, or the centre with ``align_corners=True`` | NaN: no limit |
| circular | pixel ``i mod n`` | NaN: no limit |
| fill | the edge pixel, and a sample whose own position is outside takes ``fill_value`` | ``fill_value`` |
"""

from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor

PaddingMode: TypeAlias = Literal["zeros", "border", "reflection", "circular", "fill"]
MODES: tuple[PaddingMode, ...] = get_args(PaddingMode)

LARGEST_POSITION = 2.0**30
"""Beyond this many pixels a position counts as infinite."""


def has_limit(mode: PaddingMode) -> bool:
    """Whether the padded image has a value at infinity."""
    return mode in ("zeros", "border", "fill")


def period(n: int, mode: PaddingMode, *, align_corners: bool) -> int | None:
    """After how many pixels the padded image repeats; ``None`` where it does not."""
    if mode == "reflection":
        return max(1, 2 * n - 2) if align_corners else 2 * n
    return n if mode == "circular" else None


def map_index(index: Tensor, n: int, mode: PaddingMode, *, align_corners: bool) -> Tensor:
    """Index of the pixel that stands for each tap, always within ``0..n-1``.

    Args:
        index: tap indices, any integer values.
        n: pixels along the axis.
    """
    if mode == "reflection":
        return _reflect(index, n, align_corners=align_corners)
    if mode == "circular":
        return torch.remainder(index, n)
    return index.clamp(0, n - 1)


def inside_taps(index: Tensor, n: int) -> Tensor:
    """Mask of the taps that fall on real pixels: the others are 0 under ``zeros``."""
    return (index >= 0) & (index < n)


def inside_extent(position: Tensor, n: int, *, align_corners: bool) -> Tensor:
    """Mask of the positions (pixels) within the image's extent, edges included: what ``fill`` does not replace.

    The extent is what -1..1 spans: the outer pixel edges, or with ``align_corners=True`` the outer pixel centres.
    """
    margin = 0.0 if align_corners else 0.5
    return (position >= -margin) & (position <= n - 1 + margin)


def _reflect(index: Tensor, n: int, *, align_corners: bool) -> Tensor:
    repeat = 2 * n - 2 if align_corners else 2 * n
    folded = torch.remainder(index, max(1, repeat))
    return torch.where(folded < n, folded, (repeat if align_corners else repeat - 1) - folded)
