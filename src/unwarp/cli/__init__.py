"""The command line: one file a subcommand.

The subcommands import what they need when they run, so that `unwarp --help` answers at once.
"""

import sys
from io import TextIOWrapper

from unwarp._optional import require
from unwarp.cli.failures import explained
from unwarp.errors import UnwarpError

__all__ = ["main"]


def main() -> None:
    """Run the command line; the exit code is 0, 1 when the work failed, 2 when the request was wrong."""
    _show_all_characters()
    try:
        require("typer", extra="train")
        require("rich", extra="train")
    except UnwarpError as error:  # without rich there is nothing to draw a message with
        sys.exit(f"error: {error}")
    from unwarp.cli.app import app

    with explained(debug="--debug" in sys.argv[1:]):
        app()


def _show_all_characters() -> None:
    """Where the output cannot show a character, for example of a file's name, show its number instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
