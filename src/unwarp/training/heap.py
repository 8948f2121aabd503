"""Memory that a training step frees stays with the process, for the next step.

Activations of a few megabytes come and go in every step. The C library hands each of them back to the system at once,
and the system clears and maps new pages for the next.
"""

import ctypes

__all__ = ["keep_freed_memory"]

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
"""Parameters of glibc's ``mallopt``."""

_LARGEST_MMAP_THRESHOLD = 32 << 20
"""glibc refuses more: larger blocks are always handed back."""

_NEVER = 2**31 - 1
_STEP = 256 << 20


def keep_freed_memory() -> bool:
    """Let the process keep freed blocks of up to 32 MiB, from now to its end.

    The process then holds as much as it once needed at a time.

    Returns:
        Whether the C library is glibc, the only one with these settings.
    """
    library = _glibc()
    if library is None:
        return False
    settings = ((_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD), (_TRIM_THRESHOLD, _NEVER), (_TOP_PAD, _STEP))
    return all(library.mallopt(parameter, value) == 1 for parameter, value in settings)


def _glibc() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(None)
    except (OSError, TypeError):  # Windows has no library without a name
        return None
    return library if hasattr(library, "gnu_get_libc_version") else None
