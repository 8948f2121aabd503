"""unwarp on the CPU against torch, kornia, OpenCV, MONAI and scipy, in one run.

    python benchmarks/cpu.py [--seconds 2] [--only affine] [--out benchmarks/results] [--clock wall|cpu]

Prints a table and writes JSON and a plot. A line whose outputs disagree is not timed: the run fails.
"""

import argparse
import json
import math
import os
import subprocess
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import cpu_cases
import measure
import ours
import record
import rivals
import torch
from inputs import smooth, thetas

import unwarp
from unwarp.experiments import provenance

SEED = 0

MEANS = {
    ("affine", "forward"): 4, ("affine", "both"): 6, ("grid", "forward"): 2, ("grid", "both"): 4,
    ("bicubic", "forward"): 2, ("bicubic", "both"): 3, ("bfloat16", "forward"): 1, ("bfloat16", "both"): 1,
}  # fmt: skip
"""Geometric means to reach."""


def memory() -> dict[str, float]:
    """MiB that forward and backward at 8,3,448,448 allocate beyond the output and the gradients."""
    shape = (8, 3, 448, 448)
    image, theta = smooth(shape).requires_grad_(), thetas(8).requires_grad_()
    upstream = torch.randn(shape)
    results = 2 * image.numel() * 4 / 2**20

    def excess(call: cpu_cases.Pass) -> float:
        def run() -> list[object]:
            out = call(image, theta)
            return [out, torch.autograd.grad(out, (image, theta), upstream)]

        return measure.peak_mebibytes(run) - results

    return {"unwarp": excess(ours.affine), "torch": excess(rivals.torch_warp)}


def memory_alone() -> dict[str, float]:
    """`memory` in a process whose allocator returns what is freed, and to which nothing else has happened."""
    command = [sys.executable, __file__, "--memory"]
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def show(line: cpu_cases.Line) -> None:
    """One row of the table."""
    others = "  ".join(f"{name} {t.median:.3g}±{t.spread:.2g}" for name, t in line.timings.items())
    met = "" if line.target is None else f" (target {line.target:g}{'' if line.ratio >= line.target else ', MISSED'})"
    copies = f"  = {line.copies:.1f} clones" if line.copies is not None else ""
    row = f"{line.job:14s}{line.shape!s:21s}{line.direction:8s} x{line.ratio:5.2f}{met:22s} ms: {others}{copies}"
    print(row, flush=True)


def means(lines: list[cpu_cases.Line]) -> dict[str, float]:
    """Geometric mean of the ratios of each job and direction."""
    found: dict[str, float] = {}
    for job, direction in dict.fromkeys((line.job, line.direction) for line in lines):
        ratios = [line.ratio for line in lines if (line.job, line.direction) == (job, direction)]
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        goal = MEANS.get((job, direction))
        aim = "" if goal is None else f"  target {goal}{'' if mean >= goal else ', MISSED'}"
        print(f"geometric mean {job:14s}{direction:8s} x{mean:5.2f}{aim}")
        found[f"{job} {direction}"] = mean
    return found


def plot(lines: list[cpu_cases.Line], path: Path) -> None:
    """Time against size, for the shapes of the affine job."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import NullFormatter

    figure, axes = plt.subplots(1, 2, figsize=(11, 4.5), sharey=True, layout="constrained")
    for axis, direction in zip(axes, ("forward", "both"), strict=True):
        chosen = sorted(
            (x for x in lines if (x.job, x.direction) == ("affine", direction)), key=lambda x: math.prod(x.shape)
        )
        for name in ("unwarp", "torch", "kornia", "monai", "cv2", "scipy", "clone"):
            points = [(math.prod(x.shape), x.timings[name].median) for x in chosen if name in x.timings]
            if points:
                axis.plot(*zip(*points, strict=True), marker="o", label=name)
        axis.set(
            xscale="log",
            yscale="log",
            xlabel="elements",
            title="forward" if direction == "forward" else "forward and backward",
        )
        axis.xaxis.set_minor_formatter(NullFormatter())  # less than two decades: they would overlap
    axes[0].set_ylabel("milliseconds")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center")
    figure.savefig(path, dpi=120)


def main() -> None:
    """Run the jobs asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0, help="time for each line")
    parser.add_argument("--clock", choices=measure.CLOCKS, default="wall", help="cpu: where others use the machine too")
    parser.add_argument("--only", nargs="*", choices=cpu_cases.JOBS, default=list(cpu_cases.JOBS), help="jobs to run")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder for JSON and plot")
    parser.add_argument("--memory", action="store_true", help="print the memory measurement alone, as JSON")
    given = parser.parse_args()
    if given.memory:
        print(json.dumps(memory()))
        return
    if given.clock == "cpu" and "OMP_WAIT_POLICY" not in os.environ:
        # Threads that wait would count as computing. The policy is read when torch is loaded: start again.
        environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
        sys.exit(subprocess.run([sys.executable, *sys.argv], env=environment, check=False).returncode)
    reason = unwarp.available_backends()["native"]
    if reason is not None:
        sys.exit(f"the native backend is missing: {reason}")
    torch.manual_seed(SEED)
    lines: list[cpu_cases.Line] = []
    for job in given.only:
        for line in cpu_cases.JOBS[job](cpu_cases.Budget(given.seconds, given.clock)):
            show(line)
            lines.append(line)
    found = means(lines)
    excess = memory_alone()
    print(f"memory beyond the results at 8,3,448,448, forward and backward: {excess} MiB (target: unwarp at most 2)")
    write(lines, found, excess, given)


def write(
    lines: list[cpu_cases.Line], found: dict[str, float], excess: dict[str, float], given: argparse.Namespace
) -> None:
    """JSON with where and with what it was measured, and the plot."""
    packages = ("torch", "kornia", "opencv-python-headless", "monai", "scipy")
    names = {"torch": "torch", "kornia": "kornia", "opencv-python-headless": "cv2", "monai": "monai", "scipy": "scipy"}
    path = record.write(
        given.out,
        "cpu",
        seed=SEED,
        machine=provenance.machine(torch.device("cpu")),
        clock=given.clock,
        seconds=given.seconds,
        threads=torch.get_num_threads(),
        load=os.getloadavg()[0],
        instruction_set=unwarp_instructions(),
        versions={"unwarp": unwarp.__version__, **{p: version(p) for p in packages if rivals.present(names[p])}},
        lines=[asdict(line) for line in lines],
        means=found,
        memory_mebibytes=excess,
    )
    if any(line.job == "affine" for line in lines):
        plot(lines, path.with_suffix(".png"))
    print(f"written: {path}")


def unwarp_instructions() -> str:
    """The instruction set in use."""
    from unwarp import _native

    return str(_native.instruction_set())


if __name__ == "__main__":
    main()
