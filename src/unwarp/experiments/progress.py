"""A progress bar for work on many files."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from unwarp._optional import require

__all__ = ["counted"]

T = TypeVar("T")


def counted(items: Iterable[T], title: str, *, total: int, shown: bool) -> Iterator[T]:
    """Pass items on, with a bar on the standard error stream that says how many of the total have come and are left.

    Args:
        items: what to pass on.
        title: before the bar.
        total: how many there will be.
        shown: whether to draw at all.
    """
    if not shown:
        yield from items
        return
    rich = require("rich.progress", extra="train")
    columns = (rich.TextColumn(title), rich.BarColumn(), rich.MofNCompleteColumn(), rich.TimeRemainingColumn())
    console = require("rich.console", extra="train").Console(stderr=True)
    with rich.Progress(*columns, console=console, transient=True) as bar:
        yield from bar.track(items, total=total)
