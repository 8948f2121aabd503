"""A progress bar for one download, in the form that pooch's downloader drives."""

from types import TracebackType
from typing import Any, Self

from unwarp._optional import require


class DownloadProgress:
    """Shows bytes done, bytes in all and the time left of one download, on the standard error stream.

    pooch sets `total` when the size is known and then calls `update` with the bytes of each chunk; at the end it calls
    `reset`, `update` with the total, and `close`. A server that does not tell the size leaves `total` at 0.
    """

    def __init__(self, title: str) -> None:
        rich = require("rich.progress", extra="train")
        console = require("rich.console", extra="train").Console(stderr=True)
        columns = (
            rich.TextColumn("{task.description}"),
            rich.BarColumn(),
            rich.DownloadColumn(),
            rich.TimeRemainingColumn(),
        )
        self._bar: Any = rich.Progress(*columns, console=console, transient=True)
        self._task: Any = self._bar.add_task(title, total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    @property
    def total(self) -> int:
        """Bytes in all, 0 while unknown."""
        return int(self._bar.tasks[0].total or 0)

    @total.setter
    def total(self, size: int) -> None:
        self._bar.update(self._task, total=size or None)

    @property
    def done(self) -> int:
        """Bytes that have arrived."""
        return int(self._bar.tasks[0].completed)

    def update(self, count: int) -> None:
        """`count` more bytes have arrived."""
        self._bar.update(self._task, advance=count)

    def reset(self) -> None:
        """Back to 0 bytes, before the final `update`."""
        self._bar.update(self._task, completed=0)

    def close(self) -> None:
        """Nothing to do: leaving the context ends the display."""
