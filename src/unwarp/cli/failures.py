"""What a user sees when a command fails: one message, and no traceback."""

import errno
import sys
from collections.abc import Generator
from contextlib import contextmanager

from unwarp.errors import CheckpointError, DependencyError, UnwarpError

__all__ = ["explained"]

_WORK_FAILED, _WRONG_REQUEST = 1, 2
_REQUESTS = (ValueError, TypeError, CheckpointError, DependencyError)


@contextmanager
def explained(*, debug: bool = False) -> Generator[None, None, None]:
    """Turn the errors that a user can do something about into a message and an exit code.

    Whatever else goes wrong is a mistake in unwarp, and keeps its traceback for the report.

    Args:
        debug: let every error through, with its traceback.
    """
    try:
        yield
    except UnwarpError as error:
        _leave(error, str(error), _WRONG_REQUEST if isinstance(error, _REQUESTS) else _WORK_FAILED, debug)
    except OSError as error:
        _leave(error, _about_files(error), _WORK_FAILED, debug)


def _leave(error: Exception, message: str, code: int, debug: bool) -> None:
    if debug:
        raise error
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True, soft_wrap=True).print(Text("error: ", style="bold red").append(message, style="default"))
    sys.exit(code)


def _about_files(error: OSError) -> str:
    place = f" {error.filename}" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"disk: no space left to write{place}. Free some, or choose another place with --out."
    return f"file:{place} {error.strerror or error}. Check that it exists and may be read or written."
