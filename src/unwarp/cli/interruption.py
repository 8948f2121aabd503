"""What a user sees when a command is interrupted: how to go on, and no traceback."""

from collections.abc import Generator
from contextlib import contextmanager

import typer
from rich.console import Console

__all__ = ["interruptible"]

_INTERRUPTED, _TERMINATED = 128 + 2, 128 + 15  # as shells have it for a program that ended by SIGINT or SIGTERM


@contextmanager
def interruptible(console: Console, command: str) -> Generator[None, None, None]:
    """Leave the program at Ctrl-C or SIGTERM, and say which command goes on.

    Args:
        console: where to say it.
        command: that goes on.
    """
    try:
        yield
    except KeyboardInterrupt as stop:
        from unwarp.training.fit import Terminated

        terminated = isinstance(stop, Terminated)
        what = "Terminated" if terminated else "Interrupted"
        console.print(f"{what}. {command} goes on after the last finished epoch.")
        raise typer.Exit(_TERMINATED if terminated else _INTERRUPTED) from None
