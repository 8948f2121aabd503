"""Files that are written whole or not at all."""

import os
from pathlib import Path

__all__ = ["write_whole"]


def write_whole(path: Path, content: bytes | memoryview, *, durable: bool = False) -> Path:
    """Write a file; one that is there stays as it is until all of the new content is written.

    Args:
        path: of the file; missing folders are made. A link is followed, a device or a pipe is written to.
        content: all of it.
        durable: the bytes are on the disk before the file has its name, so that a power cut leaves one of the two; and
            what a killed process left is written over, so that only one process may write this file.

    Returns:
        The path.

    Raises:
        OSError: the file cannot be written; its ``filename`` is the path.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file():
            path.write_bytes(content)
        else:
            _replace(path.resolve(), content, durable=durable)
    except OSError as error:
        if error.errno is None:  # it has words of its own
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    return path


def _replace(path: Path, content: bytes | memoryview, *, durable: bool) -> None:
    unfinished = path.with_name(f".{path.name}.{'unfinished' if durable else os.getpid()}")
    try:
        _write(unfinished, content)
        if durable:
            with unfinished.open("rb") as file:
                os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _write(path: Path, content: bytes | memoryview) -> None:
    path.write_bytes(content)
