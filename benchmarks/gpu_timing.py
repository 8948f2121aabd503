"""Timing and memory on a GPU: CUDA events, contestants in turn, inputs that are in no cache."""

import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

CACHES = 3
"""Inputs together are this many times the L2 cache, so that none is still in it when its turn comes again."""


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one contestant, and MiB it allocates beyond its results."""

    median: float
    spread: float
    extra_mebibytes: float


def copies(image: Tensor) -> int:
    """How many inputs exceed the cache `CACHES` times."""
    cache = torch.cuda.get_device_properties(image.device).L2_cache_size
    return max(2, min(512, math.ceil(CACHES * cache / (image.numel() * image.element_size()))))


def timed(runs: Mapping[str, Callable[[int], object]], results: float, seconds: float) -> dict[str, Timing]:
    """Time contestants in turn, after a warm-up that compiles what compiles."""
    for run in runs.values():
        for i in range(3):
            run(i)
    torch.cuda.synchronize()
    events: dict[str, list[tuple[torch.cuda.Event, torch.cuda.Event]]] = {name: [] for name in runs}
    started, turn = time.perf_counter(), 0
    while turn < 20 or (time.perf_counter() - started < seconds and turn < 2000):
        for name, run in runs.items():
            pair = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            pair[0].record()
            run(turn)
            pair[1].record()
            events[name].append(pair)
        turn += 1
        if turn % 20 == 0:
            torch.cuda.synchronize()
    torch.cuda.synchronize()
    found = {name: [begin.elapsed_time(end) for begin, end in pairs] for name, pairs in events.items()}
    return {name: summary(found[name], peak_mebibytes(runs[name]) - results) for name in runs}


def summary(values: list[float], extra: float) -> Timing:
    """Median, and half the distance between the quartiles."""
    low, median, high = statistics.quantiles(values, n=4)
    return Timing(median, (high - low) / 2, extra)


def peak_mebibytes(run: Callable[[int], object]) -> float:
    """By how much one call raises the memory allocated on the GPU, its results included."""
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    kept = run(0)
    torch.cuda.synchronize()
    peak = torch.cuda.max_memory_allocated()
    del kept
    return (peak - before) / 2**20
