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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import measure
import rivals
import torch
from torch import Tensor
from torch.nn import functional

import unwarp
from unwarp.experiments import provenance

SHAPES = (
    (256, 1, 28, 28), (256, 1, 42, 42), (128, 3, 64, 64), (32, 3, 224, 224),
    (8, 3, 448, 448), (32, 64, 56, 56), (16, 256, 28, 28), (1, 3, 1080, 1920),
)  # fmt: skip
DEEP = ((32, 64, 56, 56), (16, 256, 28, 28))
LARGEST_DIFFERENCE = {"torch": 2e-3, "kornia": 2e-3, "monai": 2e-3, "scipy": 2e-3, "cv2": 5e-2, "kornia_tps": 0.2}
"""Of outputs within -1..1 and smooth. OpenCV rounds positions to 1/32 pixel. kornia centres its splines on
the target points, not on the control points: between these the two are different splines."""

Call = Callable[[], Tensor]
Pass = Callable[[Tensor, Tensor], Tensor]


class Budget(NamedTuple):
    """How each line is timed."""

    seconds: float
    clock: str


@dataclass
class Line:
    """One case: everyone's milliseconds, forward or forward and backward."""

    job: str
    shape: tuple[int, ...]
    direction: str
    timings: dict[str, measure.Timing]
    target: float | None = None
    against: str = "torch"
    ratio: float = field(init=False)

    def __post_init__(self) -> None:
        self.ratio = self.timings[self.against].median / self.timings["unwarp"].median

    @property
    def copies(self) -> float | None:
        """How many times a copy of the image would fit, where it was timed: memory traffic is the limit."""
        return self.timings["unwarp"].median / self.timings["clone"].median if "clone" in self.timings else None


def smooth(shape: tuple[int, ...]) -> Tensor:
    """An image of a few waves: neighbours differ little, so roundings of position show little."""
    axes = torch.meshgrid(*(torch.linspace(0, 2 * math.pi, n) for n in shape[2:]), indexing="ij")
    waves = sum(((i + 2) * axis).sin() for i, axis in enumerate(axes)) / len(axes)
    shifts = torch.linspace(0.5, 1, shape[0] * shape[1]).view(*shape[:2], *(1,) * len(axes))
    return waves * shifts


def thetas(count: int, ndim: int = 2) -> Tensor:
    """Rotations, scalings and shifts of the size that augmentation draws."""
    drawn = torch.Generator().manual_seed(0)
    linear = torch.eye(ndim) + 0.2 * (2 * torch.rand(count, ndim, ndim, generator=drawn) - 1)
    return torch.cat([linear, 0.1 * torch.randn(count, ndim, 1, generator=drawn)], dim=-1)


def timed(calls: Mapping[str, Callable[[], object]], budget: Budget) -> dict[str, measure.Timing]:
    """Everyone's milliseconds."""
    return measure.paired(calls, seconds=budget.seconds, clock=budget.clock)


def agree(calls: dict[str, Call]) -> None:
    """Refuse to time what does not compute the same."""
    expected = calls["unwarp"]().float()
    for name, call in calls.items():
        difference = (call().float() - expected).abs()
        # At the image's edge libraries differ on purpose in the last pixel; elsewhere all must agree.
        worst = difference.flatten().kthvalue(max(1, int(0.99 * difference.numel()))).values.item()
        if not worst <= LARGEST_DIFFERENCE.get(name, 2e-3):
            sys.exit(f"{name} disagrees with unwarp by {worst:.2g}: not timed. Run the tests first.")


def backward(call: Pass, image: Tensor, theta: Tensor, upstream: Tensor) -> Callable[[], None]:
    """Forward and backward of one contestant, gradients of image and theta."""
    image = image.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    theta = theta.detach().clone().requires_grad_()

    def run() -> None:
        image.grad = theta.grad = None
        call(image, theta).backward(upstream)

    return run


def compare(
    job: str, ours: Pass, theirs: Pass, image: Tensor, theta: Tensor, budget: Budget,
    targets: tuple[float | None, float | None] = (None, None), against: str = "torch",
    extra: dict[str, Call] | None = None,
) -> Iterator[Line]:  # fmt: skip
    """Both directions of one case."""
    calls: dict[str, Call] = {
        "unwarp": lambda: ours(image, theta),
        against: lambda: theirs(image, theta),
        **(extra or {}),
    }
    agree(calls)
    shape = tuple(image.shape)
    yield Line(job, shape, "forward", timed({**calls, "clone": image.clone}, budget), targets[0], against)
    upstream = torch.randn_like(calls["unwarp"]())
    runs = {"unwarp": backward(ours, image, theta, upstream), against: backward(theirs, image, theta, upstream)}
    yield Line(job, shape, "both", timed(runs, budget), targets[1], against)


def affine(image: Tensor, theta: Tensor) -> Tensor:
    """What is timed, as a user calls it."""
    return unwarp.warp(image, theta, "affine")


def affine_lines(budget: Budget) -> Iterator[Line]:
    """The eight shapes, against everyone who is installed."""
    for shape in SHAPES:
        image, theta = smooth(shape), thetas(shape[0])
        others = {
            n: build(image, theta) for n, build in rivals.WARPS.items() if rivals.present(n) and affordable(n, image)
        }
        yield from compare("affine", affine, rivals.torch_warp, image, theta, budget, (2, 3), extra=others)


def affordable(name: str, image: Tensor) -> bool:
    """OpenCV wants few channels; scipy takes half a minute on the larger cases."""
    return {"cv2": image.shape[1] <= 4, "scipy": image.numel() < 2e6}.get(name, True)


def tiny_lines(budget: Budget) -> Iterator[Line]:
    """Overheads: one digit, the whole call from Python."""
    image, theta = smooth((1, 1, 28, 28)), thetas(1)
    yield from compare("one digit", affine, rivals.torch_warp, image, theta, budget, (1, 1))


def channels_last_lines(budget: Budget) -> Iterator[Line]:
    """Both in channels_last, which torch keeps too."""
    for shape in DEEP:
        image = smooth(shape).to(memory_format=torch.channels_last)
        yield from compare("channels_last", affine, rivals.torch_warp, image, thetas(shape[0]), budget, (4, 8))


def grid_lines(budget: Budget) -> Iterator[Line]:
    """A ready grid."""
    for shape in SHAPES:
        grid = functional.affine_grid(thetas(shape[0]), list(shape), align_corners=False)
        theirs: Pass = lambda image, grid: functional.grid_sample(image, grid, align_corners=False)  # noqa: E731
        yield from compare("grid", lambda i, g: unwarp.sample(i, g), theirs, smooth(shape), grid, budget)


def volume_lines(budget: Budget) -> Iterator[Line]:
    """Three dimensions."""
    yield from compare("3D", affine, rivals.torch_warp, smooth((2, 1, 64, 64, 64)), thetas(2, 3), budget, (3, 4))


def bicubic_lines(budget: Budget) -> Iterator[Line]:
    """Sixteen taps."""
    for shape in SHAPES:
        ours: Pass = lambda image, theta: unwarp.warp(image, theta, "affine", mode="bicubic")  # noqa: E731
        theirs: Pass = lambda image, theta: rivals.torch_warp(image, theta, "bicubic")  # noqa: E731
        yield from compare("bicubic", ours, theirs, smooth(shape), thetas(shape[0]), budget)


def spline_lines(budget: Budget) -> Iterator[Line]:
    """A thin-plate spline of 16 points, against kornia with the same points."""
    if not rivals.present("kornia"):
        return
    from kornia.geometry.transform import get_tps_transform, warp_image_tps

    spline = unwarp.transforms.ThinPlateSpline(control=(4, 4))
    image = smooth((8, 3, 224, 224))
    theta = spline.identity()[None] + 0.05 * torch.randn(8, 16, 2, generator=torch.Generator().manual_seed(0))
    control = spline.identity()[None].expand(8, -1, -1)

    def theirs(image: Tensor, theta: Tensor) -> Tensor:
        weights, affine_part = get_tps_transform(control, theta)
        return warp_image_tps(image, theta, weights, affine_part, align_corners=True)

    def ours(image: Tensor, theta: Tensor) -> Tensor:
        return unwarp.warp(image, theta, spline, align_corners=True)

    yield from compare("TPS", ours, theirs, image, theta, budget, (30, 20), against="kornia_tps")


def opencv_lines(budget: Budget) -> Iterator[Line]:
    """OpenCV's loop, the fastest of the others on large images."""
    if not rivals.present("cv2"):
        return
    image, theta = smooth((8, 3, 448, 448)), thetas(8)
    calls: dict[str, Call] = {"unwarp": lambda: affine(image, theta), "cv2": rivals.opencv_warp(image, theta)}
    agree(calls)
    yield Line("OpenCV", tuple(image.shape), "forward", timed(calls, budget), 2, "cv2")


def bfloat16_lines(budget: Budget) -> Iterator[Line]:
    """bfloat16 images beside float32 theta, against ourselves in float32."""
    for shape in SHAPES:
        image, theta = smooth(shape), thetas(shape[0])
        half = image.bfloat16()
        yield from bfloat16_pair(image, half, theta, budget)


def bfloat16_pair(image: Tensor, half: Tensor, theta: Tensor, budget: Budget) -> Iterator[Line]:
    """One shape of it."""
    calls: dict[str, Call] = {"unwarp": lambda: affine(half, theta), "float32": lambda: affine(image, theta)}
    yield Line("bfloat16", tuple(image.shape), "forward", timed(calls, budget), None, "float32")
    runs = {
        "unwarp": backward(affine, half, theta, torch.randn_like(half)),
        "float32": backward(affine, image, theta, torch.randn_like(image)),
    }
    yield Line("bfloat16", tuple(image.shape), "both", timed(runs, budget), None, "float32")


JOBS = {
    "affine": affine_lines, "tiny": tiny_lines, "channels_last": channels_last_lines, "grid": grid_lines,
    "3d": volume_lines, "bicubic": bicubic_lines, "tps": spline_lines, "opencv": opencv_lines,
    "bfloat16": bfloat16_lines,
}  # fmt: skip

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

    def excess(call: Pass) -> float:
        def run() -> list[object]:
            out = call(image, theta)
            return [out, torch.autograd.grad(out, (image, theta), upstream)]

        return measure.peak_mebibytes(run) - results

    return {"unwarp": excess(affine), "torch": excess(rivals.torch_warp)}


def memory_alone() -> dict[str, float]:
    """`memory` in a process whose allocator returns what is freed, and to which nothing else has happened."""
    command = [sys.executable, __file__, "--memory"]
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def show(line: Line) -> None:
    """One row of the table."""
    others = "  ".join(f"{name} {t.median:.3g}±{t.spread:.2g}" for name, t in line.timings.items())
    met = "" if line.target is None else f" (target {line.target:g}{'' if line.ratio >= line.target else ', MISSED'})"
    copies = f"  = {line.copies:.1f} clones" if line.copies is not None else ""
    row = f"{line.job:14s}{line.shape!s:21s}{line.direction:8s} x{line.ratio:5.2f}{met:22s} ms: {others}{copies}"
    print(row, flush=True)


def means(lines: list[Line]) -> dict[str, float]:
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


def plot(lines: list[Line], path: Path) -> None:
    """Time against size, for the shapes of the affine job."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4.5), sharey=True)
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
    axes[0].set_ylabel("milliseconds")
    axes[0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main() -> None:
    """Run the jobs asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0, help="time for each line")
    parser.add_argument("--clock", choices=measure.CLOCKS, default="wall", help="cpu: where others use the machine too")
    parser.add_argument("--only", nargs="*", choices=JOBS, default=list(JOBS), help="jobs to run")
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
    torch.manual_seed(0)
    lines: list[Line] = []
    for job in given.only:
        for line in JOBS[job](Budget(given.seconds, given.clock)):
            show(line)
            lines.append(line)
    found = means(lines)
    excess = memory_alone()
    print(f"memory beyond the results at 8,3,448,448, forward and backward: {excess} MiB (target: unwarp at most 2)")
    write(lines, found, excess, given)


def write(lines: list[Line], found: dict[str, float], excess: dict[str, float], given: argparse.Namespace) -> None:
    """JSON with where and with what it was measured, and the plot."""
    packages = ("torch", "kornia", "opencv-python-headless", "monai", "scipy")
    names = {"torch": "torch", "kornia": "kornia", "opencv-python-headless": "cv2", "monai": "monai", "scipy": "scipy"}
    record = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": provenance.commit(),
        "machine": provenance.machine(torch.device("cpu")),
        "clock": given.clock,
        "seconds": given.seconds,
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0],
        "instruction_set": unwarp_instructions(),
        "versions": {"unwarp": unwarp.__version__, **{p: version(p) for p in packages if rivals.present(names[p])}},
        "lines": [asdict(line) for line in lines],
        "means": found,
        "memory_mebibytes": excess,
    }
    folder: Path = given.out
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cpu.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    if any(line.job == "affine" for line in lines):
        plot(lines, folder / "cpu.png")
    print(f"written: {folder / 'cpu.json'}")


def unwarp_instructions() -> str:
    """The instruction set in use."""
    from unwarp import _native

    return str(_native.instruction_set())


if __name__ == "__main__":
    main()
