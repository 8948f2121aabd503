"""Tile shapes: how many pixels and channels a program handles. A static table, so that no call waits for a search.

`autotune` tries the tiles near the table's where it is asked to.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

LANES = 128
"""Threads of a program (4 warps): one pixel each where channels are planes."""

ENOUGH_PROGRAMS = 2048
"""About 16 for each of the 132 multiprocessors of an H200: beyond that, splitting the channels gains nothing."""

EDGE_ROWS, EDGE_COLUMNS = 4, 8
"""Lanes that share a pixel at the edge of an image under border padding, which may stand for much of the output: a
warp of threads, so that their sum needs no memory."""

_FEWEST_VALUES, _MOST_VALUES = 32, 4096
"""Of a program worth trying: one for each thread of one warp, 32 for each thread."""


@dataclass(frozen=True)
class Tile:
    """What one program handles.

    Attributes:
        rows, width: pixels; powers of two.
        channels: neighbouring channels at a time; a power of two. 1 where channels are planes.
        unroll: how many times that, with their loads in flight together.
    """

    rows: int
    width: int
    channels: int
    unroll: int

    @property
    def step(self) -> int:
        """Channels of one turn of the loop."""
        return self.channels * self.unroll


def tile(width: int, rows: int, channels: int, *, taps: int, sums: int, last: bool) -> Tile:
    """The tile for a plane of ``rows`` rows.

    Args:
        taps: pixels each sample reads.
        sums: sums that each pixel and channel keeps in registers.
        last: whether channels lie next to one another.
    """
    if not last:
        across = power_of_two(width, 32)
        return Tile(power_of_two(rows, LANES // across), across, 1, min(channels, 4) if taps <= 8 else 1)
    # 8 values a thread, read 4 at a time, where that leaves registers for the sums.
    together = power_of_two(channels, 32)
    pixels = (1024 if sums == 1 and taps <= 8 else 512 if taps <= 8 else 256) // together
    across = power_of_two(width, min(16, pixels))
    return Tile(power_of_two(rows, pixels // across), across, together, 1)


def edge_tile(channels: int, *, last: bool) -> Tile:
    """The tile for pixels at an edge, `EDGE_ROWS` times `EDGE_COLUMNS` lanes for each."""
    if not last:
        return Tile(1, LANES // (EDGE_ROWS * EDGE_COLUMNS), 1, min(channels, 4))
    return Tile(1, 1, power_of_two(channels, 32), 1)


def near(static: Tile, width: int, rows: int, channels: int, *, last: bool, unrolled: bool) -> Sequence[Tile]:
    """The table's tile first, then those that differ from it by a factor of 2: half, twice, wider, taller.

    Args:
        width, rows, channels: what there is; a tile beyond it would idle.
        last: whether channels lie next to one another, and so have a width of their own.
        unrolled: whether the kernel heeds ``unroll``.
    """
    tried = [
        replace(static, rows=static.rows * 2),
        replace(static, rows=static.rows // 2),
        replace(static, rows=static.rows // 2, width=static.width * 2),
        replace(static, rows=static.rows * 2, width=static.width // 2),
    ]
    if last:
        tried += [replace(static, channels=static.channels * 2), replace(static, channels=static.channels // 2)]
    elif unrolled:
        tried += [replace(static, unroll=static.unroll * 2), replace(static, unroll=static.unroll // 2)]
    return (static, *(tile for tile in tried if _worth_trying(tile, width, rows, channels, last=last)))


def _worth_trying(tile: Tile, width: int, rows: int, channels: int, *, last: bool) -> bool:
    pixels = tile.rows * tile.width
    exists = min(tile.rows, tile.width, tile.channels, tile.unroll) >= 1
    within = tile.width < 2 * width and tile.rows < 2 * rows and (tile.channels if last else tile.unroll) < 2 * channels
    return exists and within and pixels * tile.channels >= _FEWEST_VALUES and pixels * tile.step <= _MOST_VALUES


def power_of_two(n: int, most: int) -> int:
    """The smallest power of two that is at least ``n``, or ``most``. By comparisons, which a symbolic size survives."""
    result = 1
    while result < most and result < n:
        result *= 2
    return result


def channels_a_program(channels: int, step: int, programs: int) -> int:
    """Channels each program handles, so that there are enough programs."""
    turns = -(-channels // step)
    groups = min(turns, max(1, -(-ENOUGH_PROGRAMS // programs)))
    return -(-turns // groups) * step
