"""A folder that one process at a time works in."""

import errno
import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from unwarp.errors import OptionError
from unwarp.training.devices import is_writer

__all__ = ["claimed", "working_alone"]

_HELD: set[tuple[Path, int]] = set()
"""What this process has claimed, and the thread that did; its lock would keep this process out, too."""

_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


@contextmanager
def working_alone(folder: Path) -> Generator[None, None, None]:
    """Claim the folder of a run; of processes that train together, the first one does.

    Args:
        folder: to work in.

    Raises:
        OptionError: another process works in it.
    """
    if not is_writer():
        yield
        return
    with claimed(folder) as mine:
        if not mine:
            raise OptionError(
                f"out: expected a folder that no other process trains in, got {folder}, where one does. "
                "Wait for it to end, or choose another folder by --out."
            )
        yield


@contextmanager
def claimed(folder: Path) -> Generator[bool, None, None]:
    """Whether this process alone may work in a folder; the claim ends with the process, however it ends.

    A claim within a claim is granted to the same thread. Folders made for a claim under which nothing was written go.
    """
    held = folder.resolve(), threading.get_ident()
    if held in _HELD:
        yield True
        return
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / ".claim") as mine:
        if not mine:
            yield False
            return
        _HELD.add(held)
        try:
            yield True
        finally:
            _HELD.discard(held)
            if made and [path.name for path in folder.iterdir()] == [".claim"]:
                _remove(folder / ".claim", made)


def _remove(claim: Path, made: Sequence[Path]) -> None:
    with suppress(OSError):  # another process has come
        claim.unlink()
        for place in made:
            place.rmdir()


@contextmanager
def _locked(path: Path) -> Generator[bool, None, None]:
    if sys.platform == "win32":  # no such locks there: one command at a time
        yield True
        return
    import fcntl

    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            # The file system has no locks: as there, one command at a time.
        yield True
