"""unwarp on a GPU against torch (eager and compiled), kornia, and a copy of the same bytes, in one run.

    python benchmarks/gpu.py [--seconds 2] [--only affine] [--out benchmarks/results]

Times are CUDA events around whole calls, medians, the contestants taking turns; every call gets the next of several
copies of its input, together several times the cache. A line whose outputs disagree is not timed: the run fails.
"""

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import cpu
import rivals
import torch
from torch import Tensor
from torch.nn import functional

import unwarp
from unwarp.experiments import provenance

SHAPES = (
    (256, 1, 28, 28), (256, 1, 42, 42), (128, 3, 64, 64), (32, 3, 224, 224), (8, 3, 448, 448), (32, 64, 56, 56),
    (16, 256, 28, 28), (1, 3, 1080, 1920), (256, 3, 224, 224), (64, 64, 112, 112), (64, 256, 28, 28),
)  # fmt: skip
DEEP = ((32, 64, 56, 56), (64, 64, 112, 112), (64, 256, 28, 28))
VOLUME = (8, 1, 128, 128, 128)
LARGE = (256, 3, 224, 224)

CACHES = 3
"""Inputs together are this many times the L2 cache, so that none is still in it when its turn comes again."""

Pass = Callable[[Tensor, Tensor], Tensor]
Inputs = list[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one contestant, and MiB it allocates beyond its results."""

    median: float
    spread: float
    extra_mebibytes: float


@dataclass(frozen=True)
class Line:
    """One case: everyone's times, forward or forward and backward."""

    job: str
    shape: tuple[int, ...]
    dtype: str
    direction: str
    timings: dict[str, Timing]

    def ratio(self, name: str) -> float:
        """How many times as long a contestant takes as unwarp."""
        return self.timings[name].median / self.timings["unwarp"].median


def thetas(count: int, ndim: int, seed: int) -> Tensor:
    """Rotations, scalings and shifts of the size that augmentation draws."""
    drawn = torch.Generator().manual_seed(seed)
    linear = torch.eye(ndim) + 0.2 * (2 * torch.rand(count, ndim, ndim, generator=drawn) - 1)
    return torch.cat([linear, 0.1 * torch.randn(count, ndim, 1, generator=drawn)], dim=-1).cuda()


def copies(image: Tensor) -> int:
    """How many inputs exceed the cache `CACHES` times."""
    cache = torch.cuda.get_device_properties(image.device).L2_cache_size
    return max(2, min(512, math.ceil(CACHES * cache / (image.numel() * image.element_size()))))


def affine_inputs(shape: tuple[int, ...], *, dtype: torch.dtype = torch.float32, last: bool = False) -> Inputs:
    """Copies of an image with thetas of their own, as many as it takes."""
    first = (
        cpu.smooth(shape)
        .cuda()
        .to(dtype)
        .contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
    )
    return [(first.clone(), thetas(shape[0], len(shape) - 2, i)) for i in range(copies(first))]


def agree(passes: Mapping[str, Pass], image: Tensor, theta: Tensor, tolerance: float) -> None:
    """Refuse to time what does not compute the same."""
    expected = passes["unwarp"](image, theta).float()
    for name, call in passes.items():
        # Libraries differ on purpose in the image's last pixel; elsewhere all must agree.
        share = ((call(image, theta).float() - expected).abs() > tolerance).float().mean().item()
        if share > 0.02:
            sys.exit(f"{name} disagrees with unwarp on {share:.1%} of the pixels: not timed. Run the tests first.")


def forward(call: Pass, inputs: Inputs) -> Callable[[int], object]:
    """The i-th forward pass."""
    return lambda i: call(*inputs[i % len(inputs)])


def both(call: Pass, inputs: Inputs) -> Callable[[int], object]:
    """The i-th forward and backward pass, gradients of image and theta."""
    upstream = torch.rand_like(call(*inputs[0]))
    leaves = [tuple(tensor.detach().requires_grad_() for tensor in pair) for pair in inputs]

    def run(i: int) -> object:
        image, theta = leaves[i % len(leaves)]
        result = call(image, theta)
        return result, torch.autograd.grad(result, (image, theta), upstream)

    return run


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


def compare(
    job: str, passes: dict[str, Pass], inputs: Inputs, seconds: float, tolerance: float = 5e-3
) -> Iterator[Line]:
    """Both directions of one case; the copy reads an image and writes one, which no warp can do without."""
    image, theta = inputs[0]
    agree(passes, image, theta, tolerance)
    size = passes["unwarp"](image, theta).numel() * image.element_size()
    gradients = sum(tensor.numel() * tensor.element_size() for tensor in inputs[0])
    shape, dtype = tuple(image.shape), str(image.dtype).removeprefix("torch.")
    runs = {name: forward(call, inputs) for name, call in passes.items()}
    runs["copy"] = forward(lambda image, _: image.clone(memory_format=torch.preserve_format), inputs)
    yield Line(job, shape, dtype, "forward", timed(runs, size / 2**20, seconds))
    runs = {name: both(call, inputs) for name, call in passes.items()}
    yield Line(job, shape, dtype, "both", timed(runs, (size + gradients) / 2**20, seconds))


def affine(image: Tensor, theta: Tensor) -> Tensor:
    """What is timed, as a user calls it."""
    return unwarp.warp(image, theta, "affine")


def kornia_affine(image: Tensor, theta: Tensor) -> Tensor:
    """Kornia's own normalised warp, which takes the same matrices."""
    from kornia.geometry.transform import homography_warp

    last = torch.tensor([0.0, 0.0, 1.0], device=theta.device).expand(len(theta), 1, 3)
    return homography_warp(image, torch.cat([theta, last], 1), tuple(image.shape[2:]), align_corners=False)


def against_torch(ours: Pass, theirs: Pass) -> dict[str, Pass]:
    """Unwarp, and torch in both its ways."""
    return {"unwarp": ours, "torch": theirs, "compiled": torch.compile(theirs, dynamic=False)}


def torch_affine(image: Tensor, theta: Tensor) -> Tensor:
    """Torch wants theta in the image's dtype."""
    return rivals.torch_warp(image, theta.to(image.dtype))


def affine_lines(seconds: float) -> Iterator[Line]:
    """Every shape, against everyone who is installed."""
    for shape in SHAPES:
        passes = against_torch(affine, torch_affine)
        if rivals.present("kornia"):
            passes["kornia"] = kornia_affine
        yield from compare("affine", passes, affine_inputs(shape), seconds)


def channels_last_lines(seconds: float) -> Iterator[Line]:
    """Both in channels_last, which torch keeps too."""
    for shape in DEEP:
        yield from compare(
            "channels_last", against_torch(affine, torch_affine), affine_inputs(shape, last=True), seconds
        )


def bfloat16_lines(seconds: float) -> Iterator[Line]:
    """bfloat16 images beside float32 theta. Torch rounds its coordinates to bfloat16 and agrees with nobody."""
    for shape in (*DEEP, LARGE):
        yield from compare("bfloat16", {"unwarp": affine}, affine_inputs(shape, dtype=torch.bfloat16), seconds)


def grid_lines(seconds: float) -> Iterator[Line]:
    """A ready grid."""

    def theirs(image: Tensor, grid: Tensor) -> Tensor:
        return functional.grid_sample(image, grid, align_corners=False)

    for shape in SHAPES:
        pairs = [
            (image, functional.affine_grid(theta, list(shape), align_corners=False))
            for image, theta in affine_inputs(shape)
        ]
        yield from compare("grid", against_torch(lambda i, g: unwarp.sample(i, g), theirs), pairs, seconds)


def border_lines(seconds: float) -> Iterator[Line]:
    """Border padding, whose image gradient is scattered."""

    def ours(image: Tensor, theta: Tensor) -> Tensor:
        return unwarp.warp(image, theta, "affine", padding_mode="border")

    def theirs(image: Tensor, theta: Tensor) -> Tensor:
        grid = functional.affine_grid(theta, list(image.shape), align_corners=False)
        return functional.grid_sample(image, grid, padding_mode="border", align_corners=False)

    for shape in DEEP:
        yield from compare("border", against_torch(ours, theirs), affine_inputs(shape), seconds)


def bicubic_lines(seconds: float) -> Iterator[Line]:
    """Sixteen taps."""
    for shape in (*DEEP, LARGE):
        ours: Pass = lambda image, theta: unwarp.warp(image, theta, "affine", mode="bicubic")  # noqa: E731
        theirs: Pass = lambda image, theta: rivals.torch_warp(image, theta, "bicubic")  # noqa: E731
        yield from compare("bicubic", against_torch(ours, theirs), affine_inputs(shape), seconds)


def volume_lines(seconds: float) -> Iterator[Line]:
    """Three dimensions."""
    yield from compare("3d", against_torch(affine, torch_affine), affine_inputs(VOLUME), seconds)


def spline_lines(seconds: float) -> Iterator[Line]:
    """A thin-plate spline of 16 points, against kornia with the same points.

    Kornia centres its radial functions on the targets: the same work, and the same values at the control points alone.
    """
    if not rivals.present("kornia"):
        print("tps: kornia is not installed: not compared")
        return
    from kornia.geometry.transform import get_tps_transform, warp_image_tps

    spline = unwarp.transforms.ThinPlateSpline(control=(4, 4)).cuda()
    control = spline.identity().cuda()[None].expand(8, -1, -1)
    moved = torch.Generator().manual_seed(0)
    pairs = [
        (image, control + 0.05 * torch.randn(8, 16, 2, generator=moved).cuda())
        for image, _ in affine_inputs((8, 3, 224, 224))
    ]

    def theirs(image: Tensor, theta: Tensor) -> Tensor:
        weights, affine_part = get_tps_transform(control, theta)
        return warp_image_tps(image, theta, weights, affine_part, align_corners=True)

    def ours(image: Tensor, theta: Tensor) -> Tensor:
        return unwarp.warp(image, theta, spline, align_corners=True)

    yield from compare("tps", {"unwarp": ours, "kornia": theirs}, pairs, seconds, tolerance=0.15)


JOBS = {
    "affine": affine_lines, "channels_last": channels_last_lines, "grid": grid_lines, "border": border_lines,
    "bicubic": bicubic_lines, "bfloat16": bfloat16_lines, "3d": volume_lines, "tps": spline_lines,
}  # fmt: skip

GOALS = {("affine", "forward", "torch"): 2, ("affine", "both", "torch"): 3,
         ("tps", "forward", "kornia"): 20, ("tps", "both", "kornia"): 20}  # fmt: skip
"""Geometric means to reach."""


def show(line: Line) -> None:
    """One row of the table."""
    cells = "  ".join(f"{name} {t.median:.3f}±{t.spread:.2g} (+{t.extra_mebibytes:.0f} MiB)" for name, t in
                      line.timings.items())  # fmt: skip
    print(f"{line.job:14s}{line.shape!s:24s}{line.dtype:10s}{line.direction:8s} ms: {cells}", flush=True)


def means(lines: list[Line]) -> dict[str, float]:
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


def to_the_limit(lines: list[Line]) -> float | None:
    """How many copies of the same bytes take as long, at the largest affine case."""
    for line in lines:
        if (line.job, line.shape, line.direction) == ("affine", LARGE, "forward"):
            times = 1 / line.ratio("copy")
            print(f"{LARGE} forward takes {times:.2f} copies{'' if times <= 1.5 else ', MISSED'} (to reach: 1.5)")
            return times
    return None


def write(lines: list[Line], found: dict[str, float], limit: float | None, folder: Path) -> None:
    """JSON with where and with what it was measured."""
    device = torch.cuda.get_device_properties(0)
    packages = [name for name in ("torch", "triton", "kornia") if rivals.present(name)]
    record = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": provenance.commit(),
        "device": {
            "name": device.name,
            "memory_bytes": device.total_memory,
            "multiprocessors": device.multi_processor_count,
            "capability": [device.major, device.minor],
        },
        "versions": {
            "unwarp": unwarp.__version__,
            "cuda": torch.version.cuda,
            **{name: version(name) for name in packages},
        },
        "lines": [asdict(line) for line in lines],
        "means": found,
        "copies_at_the_largest": limit,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "gpu.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"written: {folder / 'gpu.json'}")


def main() -> None:
    """Run the jobs asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0, help="time for each line")
    parser.add_argument("--only", nargs="*", choices=JOBS, default=list(JOBS), help="jobs to run")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder for the JSON")
    given = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("no CUDA device: nothing measured")
    reason = unwarp.available_backends()["triton"]
    if reason is not None:
        sys.exit(f"the triton backend is missing: {reason}")
    torch.manual_seed(0)
    lines: list[Line] = []
    for job in given.only:
        for line in JOBS[job](given.seconds):
            show(line)
            lines.append(line)
    write(lines, means(lines), to_the_limit(lines), given.out)


if __name__ == "__main__":
    main()
