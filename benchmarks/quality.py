"""How close anti-aliased shrinking comes to the truth, and at what cost.

    python benchmarks/quality.py [--seconds 2] [--only astronaut] [--out benchmarks/results]

A natural image is turned, sheared and shrunk about 8 times. The truth is the average of 16 x 16 samples an output
pixel. Printed and written as JSON: PSNR of plain and anti-aliased sampling with several kernels and of averages of
fewer samples, and the time each takes, measured in turn in one process.
"""

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import measure
import record
import torch
from torch import Tensor
from torch.nn import functional

import unwarp
from unwarp.experiments import provenance
from unwarp.kernels import AbstractKernel, Cubic, Gaussian, Lanczos, Linear, resolve

SEED = 0
SIZE = 40
"""Output pixels along each side: the turned square then stays within a 512 x 512 image."""

ANGLE, SHEAR, SHRINK = 30.0, 0.3, 8.0
KERNELS: dict[str, AbstractKernel] = {
    "nearest": resolve("nearest"),
    "bilinear": resolve("bilinear"),
    "bicubic": resolve("bicubic"),
    "bicubic, a = -0.5": Cubic(-0.5),
    "lanczos2": Lanczos(2),
    "lanczos3": resolve("lanczos3"),
    "bspline3": resolve("bspline3"),
    "gaussian 0.5": Gaussian(0.5),
}
REFERENCE_SAMPLES = 16
NEEDED_DECIBELS = 10.0


Call = Callable[[], Tensor]


@dataclass
class Row:
    """One way to shrink one image."""

    image: str
    method: str
    backend: str
    psnr: float
    milliseconds: float = math.nan
    spread: float = math.nan


def main() -> None:
    """Measure, print, write."""
    arguments = _arguments()
    torch.manual_seed(SEED)
    rows = []
    with torch.no_grad():
        for name, image in images(arguments.only):
            found = list(measured(name, image, arguments.seconds))
            rows += found
            _print(found)
    written = _write(rows, arguments.out)
    failures = [line for line in verdicts(rows) if line.startswith("MISSED")]
    print("\n".join(verdicts(rows)))
    print(f"results: {written}")
    raise SystemExit(1 if any("dB" in line for line in failures) else 0)


def images(only: list[str] | None) -> Iterator[tuple[str, Tensor]]:
    """Photographs that come with scikit-image, ``(1, channels, 512, 512)`` within 0..1."""
    from skimage import data

    photographs = {"camera": data.camera, "astronaut": data.astronaut}
    for name in only or photographs:
        pixels = torch.from_numpy(photographs[name]()).float() / 255
        yield name, pixels[None, None] if pixels.ndim == 2 else pixels.permute(2, 0, 1)[None].contiguous()


def theta_of(size: int) -> Tensor:
    """A turn and a shear that shrink an image of ``size`` pixels to `SIZE`."""
    angle = math.radians(ANGLE)
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    linear = turn @ torch.tensor([[1.0, SHEAR], [0.0, 1.0]]) * (SHRINK * SIZE / size)
    return torch.cat([linear, torch.zeros(2, 1)], dim=1)[None]


def supersampled(image: Tensor, theta: Tensor, samples: int, backend: str = "reference") -> Tensor:
    """Average of ``samples x samples`` bilinear samples an output pixel."""
    return functional.avg_pool2d(unwarp.warp(image, theta, "affine", SIZE * samples, backend=backend), samples)


def torch_supersampled(image: Tensor, theta: Tensor, samples: int) -> Tensor:
    """The same with torch's own grid and sampler."""
    size = SIZE * samples
    grid = functional.affine_grid(theta, [1, 1, size, size], align_corners=False)
    return functional.avg_pool2d(functional.grid_sample(image, grid, align_corners=False), samples)


def measured(name: str, image: Tensor, seconds: float) -> Iterator[Row]:
    """All ways to shrink one image, timed in turn."""
    theta = theta_of(image.shape[-1])
    truth = supersampled(image, theta, REFERENCE_SAMPLES)
    calls = dict(_methods(image, theta))
    timings = measure.paired(
        {f"{method}|{backend}": call for (method, backend), call in calls.items()}, seconds=seconds
    )
    for (method, backend), call in calls.items():
        timing = timings[f"{method}|{backend}"]
        yield Row(name, method, backend, psnr(call(), truth), timing.median, timing.spread)


def _methods(image: Tensor, theta: Tensor) -> Iterator[tuple[tuple[str, str], Call]]:
    for name, kernel in KERNELS.items():
        options = {"mode": kernel, "backend": "reference"}
        yield (name, "reference"), partial(unwarp.warp, image, theta, "affine", SIZE, **options)
        smooth = partial(unwarp.warp, image, theta, "affine", SIZE, antialias=True, **options)
        yield (f"{name}, antialias", "reference"), smooth
        if _native() and type(kernel) in (Linear, Cubic):
            compiled = partial(smooth, **{**options, "backend": "native"})
            yield (f"{name}, antialias", "native"), compiled
    for samples in (2, 4, 8):
        method = f"{samples} x {samples} samples, average"
        for backend in ("reference", "native") if _native() else ("reference",):
            yield (method, backend), partial(supersampled, image, theta, samples, backend)
        yield (method, "torch"), partial(torch_supersampled, image, theta, samples)


def _native() -> bool:
    return unwarp.available_backends()["native"] is None


def psnr(image: Tensor, truth: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of an image within 0..1."""
    return -10 * math.log10((image - truth).square().mean().item())


def verdicts(rows: list[Row]) -> list[str]:
    """What is asked of anti-aliasing, and whether it holds; a missed one stays in."""
    lines = []
    for image in dict.fromkeys(row.image for row in rows):
        of = {(row.method, row.backend): row for row in rows if row.image == image}
        plain, slow = of["bilinear", "reference"], of["bilinear, antialias", "reference"]
        smooth = of.get(("bilinear, antialias", "native"), slow)
        gain = smooth.psnr - plain.psnr
        lines.append(f"{_met(gain >= NEEDED_DECIBELS)} {image}: {gain:.1f} dB closer than bilinear")
        for backend in ("reference", "native", "torch"):
            pooled = of.get(("8 x 8 samples, average", backend))
            if pooled is not None:
                holds = _met(smooth.milliseconds < pooled.milliseconds)
                ratio = pooled.milliseconds / smooth.milliseconds
                rival = f"averaging 8 x 8 samples of {backend}"
                lines.append(f"{holds} {image}: {ratio:.2f} times as fast ({smooth.backend}) as {rival}")
    return lines


def _met(holds: bool) -> str:
    return "HOLDS " if holds else "MISSED"


def _print(rows: list[Row]) -> None:
    print(f"\n{rows[0].image}, {SHRINK:g}x smaller, turned by {ANGLE:g} degrees, shear {SHEAR:g}")
    print(f"{'method':32} {'backend':10} {'PSNR dB':>8} {'ms':>8} {'+-':>6}")
    for row in rows:
        print(f"{row.method:32} {row.backend:10} {row.psnr:8.2f} {row.milliseconds:8.2f} {row.spread:6.2f}")


def _write(rows: list[Row], folder: Path) -> Path:
    return record.write(
        folder,
        "quality",
        seed=SEED,
        machine=provenance.machine(torch.device("cpu")),
        versions=provenance.versions(),
        map={"angle_degrees": ANGLE, "shear": SHEAR, "shrink": SHRINK, "output": SIZE},
        reference_samples=REFERENCE_SAMPLES**2,
        rows=[asdict(row) for row in rows],
        verdicts=verdicts(rows),
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="time for each image")
    parser.add_argument("--only", nargs="+", choices=["camera", "astronaut"], help="images; all by default")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder of the JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
