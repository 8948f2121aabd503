"""Memory that a training step frees stays with the process."""

import platform
import subprocess
import sys

import pytest

KEPT = """
import resource, sys, torch
from unwarp.training.heap import keep_freed_memory
def resident():
    with open("/proc/self/statm") as figures:
        return int(figures.read().split()[1]) * resource.getpagesize()
if sys.argv[1] == "keep":
    assert keep_freed_memory()
before = resident()
blocks = [torch.ones(10 << 20, dtype=torch.uint8) for _ in range(20)]
del blocks
print(resident() - before)
"""


def kept_bytes(what: str) -> int:
    command = [sys.executable, "-c", KEPT, what]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone has these settings")
def test_what_is_freed_stays_with_the_process():
    assert kept_bytes("keep") > 180 << 20
    assert kept_bytes("leave") < 20 << 20


def test_says_where_there_is_nothing_to_set(monkeypatch):
    import ctypes

    from unwarp.training import heap

    def unknown(name: str | None) -> object:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", unknown)
    assert not heap.keep_freed_memory()
