"""The cases that are timed on the CPU, each beside those it is compared with."""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import measure
import rivals
import torch
from inputs import SHAPES, SHRUNK, smooth, thetas
from ours import DiffeomorphicSeries, affine, bicubic
from torch import Tensor
from torch.nn import functional

import unwarp

DEEP = ((32, 64, 56, 56), (16, 256, 28, 28))
PHOTOGRAPHS = (32, 3, 224, 224)
LARGE = ((4, 3, 1080, 1920), (32, 64, 112, 112))
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


def large_lines(budget: Budget) -> Iterator[Line]:
    """Results beyond 32 MiB, which no C library keeps: each call finds fresh pages."""
    for shape in LARGE:
        yield from compare("large", affine, rivals.torch_warp, smooth(shape), thetas(shape[0]), budget)


def channels_last_lines(budget: Budget) -> Iterator[Line]:
    """Both in channels_last, which torch keeps too."""
    for shape in DEEP:
        image = smooth(shape).to(memory_format=torch.channels_last)
        yield from compare("channels_last", affine, rivals.torch_warp, image, thetas(shape[0]), budget, (4, 8))
    image = smooth(PHOTOGRAPHS).to(memory_format=torch.channels_last)
    yield from compare("channels_last", affine, rivals.torch_warp, image, thetas(len(image)), budget)


def grid_lines(budget: Budget) -> Iterator[Line]:
    """A ready grid."""
    for shape in SHAPES:
        grid = functional.affine_grid(thetas(shape[0]), list(shape), align_corners=False)
        yield from compare("grid", unwarp.sample, rivals.torch_grid, smooth(shape), grid, budget)


def volume_lines(budget: Budget) -> Iterator[Line]:
    """Three dimensions."""
    yield from compare("3D", affine, rivals.torch_warp, smooth((2, 1, 64, 64, 64)), thetas(2, 3), budget, (3, 4))


def bicubic_lines(budget: Budget) -> Iterator[Line]:
    """Sixteen taps."""
    for shape in SHAPES:
        yield from compare("bicubic", bicubic, rivals.torch_bicubic, smooth(shape), thetas(shape[0]), budget)


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


def cpab_lines(budget: Budget) -> Iterator[Line]:
    """A batch of digits through a diffeomorphism, against the same in torch's operations."""
    with_op, without = unwarp.transforms.Diffeomorphic(), DiffeomorphicSeries()
    image = smooth((64, 1, 28, 28))
    theta = 0.1 * torch.randn(64, *with_op.theta_shape, generator=torch.Generator().manual_seed(0))
    ours, series = (partial(unwarp.warp, transform=family) for family in (with_op, without))
    yield from compare("CPAB", ours, series, image, theta, budget, against="series")


def antialias_lines(budget: Budget) -> Iterator[Line]:
    """A batch that is shrunk, against the same in torch's operations."""
    for shape, size in SHRUNK:
        ours, theirs = (
            partial(unwarp.warp, transform="affine", size=size, antialias=True, backend=backend)
            for backend in ("auto", "reference")
        )
        yield from compare("antialias", ours, theirs, smooth(shape), thetas(shape[0]), budget, against="reference")


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
    "affine": affine_lines, "tiny": tiny_lines, "large": large_lines, "channels_last": channels_last_lines,
    "grid": grid_lines, "3d": volume_lines, "bicubic": bicubic_lines, "tps": spline_lines, "cpab": cpab_lines,
    "antialias": antialias_lines, "opencv": opencv_lines, "bfloat16": bfloat16_lines,
}  # fmt: skip
