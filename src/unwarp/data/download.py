"""Download a file once: mirrors tried in turn, content checked, stored whole or not at all."""

import contextlib
import errno
import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from unwarp._optional import require
from unwarp.data.progress import DownloadProgress
from unwarp.errors import DataError

TIMEOUT_SECONDS = 30

_FULL = (errno.ENOSPC, errno.EDQUOT)
_STORAGE_ERRORS = (*_FULL, errno.EACCES, errno.EPERM, errno.EROFS)


def cache_directory() -> Path:
    """Where downloads are kept: ``$UNWARP_CACHE``, else ``unwarp`` in ``$XDG_CACHE_HOME``, else ``~/.cache/unwarp``."""
    if chosen := os.environ.get("UNWARP_CACHE"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "unwarp"


def fetch(target: Path, *, urls: Sequence[str], sha256: str, unpack: Callable[[bytes], bytes], remedy: str) -> None:
    """Download a file, unpack it, check its content and store it as `target`.

    The checksum is of the **unpacked** bytes, so that a mirror may pack them anew.

    Args:
        target: the file to write; it appears complete and checked, or not at all.
        urls: the same file at several places, tried in this order.
        sha256: hexadecimal digest of the unpacked content.
        unpack: from the downloaded bytes to the content; a `DataError` of its own makes the next mirror be tried.
        remedy: what a user can do when nothing could be downloaded; ends the message.

    Raises:
        DataError: no mirror delivered the file, or it could not be stored (full disk, no permission).
    """
    prepare_directory(target.parent)
    failures: list[str] = []
    for url in urls:
        try:
            content = _obtain(url, scratch=target.parent, sha256=sha256, unpack=unpack)
        except _MirrorError as error:
            failures.append(f"  - {url}: {error}")
        else:
            store(target, content)
            return
    tried = "\n".join(failures)
    raise DataError(f"{target.name}: expected to download it, but no mirror delivered it:\n{tried}\n{remedy}")


def digest(content: bytes) -> str:
    """Hexadecimal sha256 of some bytes."""
    return hashlib.sha256(content).hexdigest()


def prepare_directory(directory: Path) -> None:
    """Create a directory and its parents; `DataError` where that is impossible."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(directory, error) from error


def store(target: Path, content: bytes) -> None:
    """Write a file through a temporary one beside it, so that an interruption or full disk leaves no half file."""
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(target)
    except OSError as error:
        raise storage_error(target, error) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def storage_error(target: Path, error: OSError) -> DataError:
    """What to tell a user when `target` cannot be written."""
    if error.errno in _FULL:
        return DataError(
            f"{target}: expected room to store it, but the disk is full. Free some space and run it again."
        )
    reason = error.strerror or error
    return DataError(f"{target}: expected a writable place, got: {reason}. Set UNWARP_CACHE to a folder you can write.")


class _MirrorError(Exception):
    """One mirror did not deliver; the next may."""


def _obtain(url: str, *, scratch: Path, sha256: str, unpack: Callable[[bytes], bytes]) -> bytes:
    raw = _download(url, scratch)
    try:
        content = unpack(raw)
    except DataError as error:
        raise _MirrorError(str(error)) from error
    if digest(content) != sha256:
        raise _MirrorError(f"expected content with sha256 {sha256[:12]}..., got {digest(content)[:12]}...")
    return content


def _download(url: str, scratch: Path) -> bytes:
    pooch = require("pooch", extra="train")
    try:
        with tempfile.TemporaryDirectory(dir=scratch) as folder, DownloadProgress(url.rpartition("/")[2]) as progress:
            part = Path(folder) / "download"
            pooch.HTTPDownloader(progressbar=progress, timeout=TIMEOUT_SECONDS)(url, str(part), None)
            return part.read_bytes()
    except OSError as error:
        if error.errno in _STORAGE_ERRORS:
            raise storage_error(scratch, error) from error
        raise _MirrorError(_reason(error)) from error  # the errors of requests are OSErrors without such a number


def _reason(error: OSError) -> str:
    response = getattr(error, "response", None)
    return type(error).__name__ if response is None else f"HTTP status {response.status_code}"
