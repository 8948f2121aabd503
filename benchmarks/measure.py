"""Timing and memory, for benchmarks: paired, warm, in one process."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one contestant."""

    median: float
    spread: float
    """Half the distance between the quartiles."""


CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
"""``cpu`` counts what all threads of this process compute: for a machine that others use too, where the wall clock
mostly counts the others' turns."""


TURN = 3
"""Calls of a contestant that are timed one after another."""


def paired(
    contestants: Mapping[str, Callable[[], object]], *, seconds: float, clock: str = "wall"
) -> dict[str, Timing]:
    """Time the contestants in turn, round after round, so that a slow moment of the machine is everyone's.

    A turn is a few calls, of which the first is not timed: it finds caches, heap and threads as another contestant has
    left them, which a loop over one never does.

    Args:
        seconds: how long to go on; at least five rounds are run after a warm-up of two.
        clock: one of `CLOCKS`.
    """
    now = CLOCKS[clock]
    for _ in range(2):
        for call in contestants.values():
            call()
    times: dict[str, list[float]] = {name: [] for name in contestants}
    started = time.perf_counter()
    while len(next(iter(times.values()))) < 5 or time.perf_counter() - started < seconds:
        for name, call in contestants.items():
            call()
            for _ in range(TURN):
                begun = now()
                call()
                times[name].append(1e3 * (now() - begun))
    return {name: _summary(values) for name, values in times.items()}


def _summary(values: list[float]) -> Timing:
    low, median, high = statistics.quantiles(values, n=4)
    return Timing(median, (high - low) / 2)


def peak_mebibytes(call: Callable[[], object]) -> float:
    """By how much a call raises the resident memory of this process while it runs, its results included (Linux)."""
    call()
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest mark so far
    before = _status("VmRSS")
    kept = call()
    peak = _status("VmHWM")
    del kept
    return (peak - before) / 1024


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))
