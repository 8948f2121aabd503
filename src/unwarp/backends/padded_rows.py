"""A padded image as rows of pixels, of which anti-aliased sampling reads runs."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from unwarp import padding
from unwarp.backends.base import Sampling


class PaddedRows:
    """The padded source as rows of pixels along x, long enough for every run to be contiguous.

    Rows are those of all images, and with ``zeros`` one row of zeros at the end.
    """

    def __init__(self, source: Tensor, run: int, sampling: Sampling) -> None:
        self.size = source.shape[2:]
        self._mode: padding.PaddingMode = sampling.padding
        self._aligned = sampling.align_corners
        n = self.size[-1]
        self._period = period = padding.period(n, self._mode, align_corners=self._aligned)
        self._before = 0 if period else run
        left = self._beyond(source, -self._before, 0)
        right = self._beyond(source, n, (period or n) + run)
        rows = torch.cat([left, source, right], dim=-1).movedim(1, 0)
        self.width = rows.shape[-1]
        blank = (0, self.width if self._mode == "zeros" else 0)
        self.values = torch.nn.functional.pad(rows.flatten(1), blank)
        self._blank = math.prod(self.size[:-1]) * source.shape[0]

    def row(self, image: Tensor, outer: Sequence[Tensor]) -> Tensor:
        """Number of the row at an index along each axis but x, in y, z order; indices may be any."""
        row = image
        for index, n in zip(reversed(outer), self.size[:-1], strict=True):
            row = row * n + self._map(index, n)
        if self._mode != "zeros":
            return row
        outside = [~padding.inside_taps(index, n) for index, n in zip(reversed(outer), self.size[:-1], strict=True)]
        for mask in outside:
            row = torch.where(mask, self._blank, row)
        return row

    def column(self, first: Tensor) -> Tensor:
        """Where in a row the run starts whose first pixel has the given index along x."""
        if self._period:
            return torch.remainder(first, self._period)
        return first.clamp(-self._before, self.size[-1]) + self._before

    def _beyond(self, source: Tensor, start: int, end: int) -> Tensor:
        """What stands for the pixels ``start..end - 1`` along x, all of them outside of the image."""
        index = torch.arange(start, end, device=source.device)
        beyond = source.index_select(-1, self._map(index, source.shape[-1]))
        return torch.zeros_like(beyond) if self._mode == "zeros" else beyond

    def _map(self, index: Tensor, n: int) -> Tensor:
        return padding.map_index(index, n, self._mode, align_corners=self._aligned)
