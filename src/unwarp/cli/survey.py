"""What the commands say of files that were skipped or converted."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

__all__ = ["print_survey"]

_NAMED = 20


def print_survey(console: Console, skipped: Sequence[tuple[Path, str]], converted: Sequence[tuple[Path, str]]) -> None:
    """Name and count the files of each kind; of very many the first. The console is a `plain_console`."""
    for title, files in (("skipped", skipped), ("converted", converted)):
        for path, reason in files[:_NAMED]:
            console.print(f"{title}: {path}: {reason}", highlight=False)
        if len(files) > _NAMED:
            console.print(f"{title}: and {len(files) - _NAMED:,} more")
        if files:
            console.print(f"{title}: {len(files):,} in all")
