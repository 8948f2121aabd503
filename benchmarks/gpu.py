"""unwarp on a GPU against torch (eager and compiled), kornia, and a copy of the same bytes, in one run.

    python benchmarks/gpu.py [--seconds 2] [--only affine] [--out benchmarks/results]

Times are CUDA events around whole calls, medians, the contestants taking turns; every call gets the next of several
copies of its input, together several times the cache. A line whose outputs disagree is not timed: the run fails.
"""

import argparse
import math
import statistics
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import gpu_cases
import record
import rivals
import torch

import unwarp

SEED = 0

GOALS = {("affine", "forward", "torch"): 2, ("affine", "both", "torch"): 3,
         ("tps", "forward", "kornia"): 20, ("tps", "both", "kornia"): 20}  # fmt: skip
"""Geometric means to reach."""


def show(line: gpu_cases.Line) -> None:
    """One row of the table."""
    cells = "  ".join(f"{name} {t.median:.3f}±{t.spread:.2g} (+{t.extra_mebibytes:.0f} MiB)" for name, t in
                      line.timings.items())  # fmt: skip
    print(f"{line.job:14s}{line.shape!s:24s}{line.dtype:10s}{line.direction:8s} ms: {cells}", flush=True)


def means(lines: list[gpu_cases.Line]) -> dict[str, float]:
    """Geometric mean over shapes of everyone's time in units of unwarp's."""
    found: dict[str, float] = {}
    rows = dict.fromkeys((line.job, line.direction, name) for line in lines for name in line.timings)
    for job, direction, name in rows:
        ratios = [x.ratio(name) for x in lines if (x.job, x.direction) == (job, direction) and name in x.timings]
        mean = math.exp(statistics.fmean(map(math.log, ratios)))
        goal = GOALS.get((job, direction, name))
        aim = "" if goal is None else f"  to reach {goal}{'' if mean >= goal else ', MISSED'}"
        print(f"geometric mean {job:14s}{direction:8s} {name:9s} x{mean:6.2f}{aim}")
        found[f"{job} {direction} {name}"] = mean
    return found


def to_the_limit(lines: list[gpu_cases.Line]) -> float | None:
    """How many copies of the same bytes take as long, at the largest affine case."""
    for line in lines:
        if (line.job, line.shape, line.direction) == ("affine", gpu_cases.LARGE, "forward"):
            times = 1 / line.ratio("copy")
            missed = "" if times <= 1.5 else ", MISSED"
            print(f"{gpu_cases.LARGE} forward takes {times:.2f} copies{missed} (to reach: 1.5)")
            return times
    return None


def write(lines: list[gpu_cases.Line], found: dict[str, float], limit: float | None, folder: Path) -> None:
    """JSON with where and with what it was measured."""
    device = torch.cuda.get_device_properties(0)
    packages = [name for name in ("torch", "triton", "kornia") if rivals.present(name)]
    path = record.write(
        folder,
        "gpu",
        seed=SEED,
        device={
            "name": device.name,
            "memory_bytes": device.total_memory,
            "multiprocessors": device.multi_processor_count,
            "capability": [device.major, device.minor],
        },
        versions={
            "unwarp": unwarp.__version__,
            "cuda": torch.version.cuda,
            **{name: version(name) for name in packages},
        },
        lines=[asdict(line) for line in lines],
        means=found,
        copies_at_the_largest=limit,
    )
    print(f"written: {path}")


def main() -> None:
    """Run the jobs asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0, help="time for each line")
    parser.add_argument("--only", nargs="*", choices=gpu_cases.JOBS, default=list(gpu_cases.JOBS), help="jobs to run")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder for the JSON")
    given = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("no CUDA device: nothing measured")
    reason = unwarp.available_backends()["triton"]
    if reason is not None:
        sys.exit(f"the triton backend is missing: {reason}")
    torch.manual_seed(SEED)
    lines: list[gpu_cases.Line] = []
    for job in given.only:
        for line in gpu_cases.JOBS[job](given.seconds):
            show(line)
            lines.append(line)
    write(lines, means(lines), to_the_limit(lines), given.out)


if __name__ == "__main__":
    main()
