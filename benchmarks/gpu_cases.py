"""The cases that are timed on a GPU, each beside those it is compared with."""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import inputs
import rivals
import torch
from gpu_timing import Timing, copies, timed
from ours import DiffeomorphicSeries, affine, bicubic
from torch import Tensor
from torch.nn import functional

import unwarp

SHAPES = (*inputs.SHAPES, (256, 3, 224, 224), (64, 64, 112, 112), (64, 256, 28, 28))
DEEP = ((32, 64, 56, 56), (64, 64, 112, 112), (64, 256, 28, 28))
VOLUME = (8, 1, 128, 128, 128)
LARGE = (256, 3, 224, 224)
SPLINE = (8, 3, 224, 224)
DIGITS = (64, 1, 28, 28)

Pass = Callable[[Tensor, Tensor], Tensor]
Inputs = list[tuple[Tensor, Tensor]]


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


def affine_inputs(shape: tuple[int, ...], *, dtype: torch.dtype = torch.float32, last: bool = False) -> Inputs:
    """Copies of an image with thetas of their own, as many as it takes."""
    first = (
        inputs.smooth(shape)
        .cuda()
        .to(dtype)
        .contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
    )
    return [(first.clone(), inputs.thetas(shape[0], len(shape) - 2, seed=i).cuda()) for i in range(copies(first))]


def agree(passes: Mapping[str, Pass], image: Tensor, theta: Tensor, tolerance: float) -> None:
    """Refuse to time what does not compute the same."""
    expected = passes["unwarp"](image, theta).float()
    for name, call in passes.items():
        # Libraries differ on purpose in the image's last pixel; elsewhere all must agree.
        share = ((call(image, theta).float() - expected).abs() > tolerance).float().mean().item()
        if share > 0.02:
            sys.exit(f"{name} disagrees with unwarp on {share:.1%} of the pixels: not timed. Run the tests first.")


def forward(call: Pass, pairs: Inputs) -> Callable[[int], object]:
    """The i-th forward pass."""
    return lambda i: call(*pairs[i % len(pairs)])


def both(call: Pass, pairs: Inputs) -> Callable[[int], object]:
    """The i-th forward and backward pass, gradients of image and theta."""
    upstream = torch.rand_like(call(*pairs[0]))
    leaves = [tuple(tensor.detach().requires_grad_() for tensor in pair) for pair in pairs]

    def run(i: int) -> object:
        image, theta = leaves[i % len(leaves)]
        result = call(image, theta)
        return result, torch.autograd.grad(result, (image, theta), upstream)

    return run


def compare(
    job: str, passes: dict[str, Pass], pairs: Inputs, seconds: float, tolerance: float = 5e-3
) -> Iterator[Line]:
    """Both directions of one case; the copy reads an image and writes one, which no warp can do without."""
    image, theta = pairs[0]
    agree(passes, image, theta, tolerance)
    size = passes["unwarp"](image, theta).numel() * image.element_size()
    gradients = sum(tensor.numel() * tensor.element_size() for tensor in pairs[0])
    shape, dtype = tuple(image.shape), str(image.dtype).removeprefix("torch.")
    runs = {name: forward(call, pairs) for name, call in passes.items()}
    runs["copy"] = forward(lambda image, _: image.clone(memory_format=torch.preserve_format), pairs)
    yield Line(job, shape, dtype, "forward", timed(runs, size / 2**20, seconds))
    runs = {name: both(call, pairs) for name, call in passes.items()}
    yield Line(job, shape, dtype, "both", timed(runs, (size + gradients) / 2**20, seconds))


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
    for shape in SHAPES:
        pairs = [
            (image, functional.affine_grid(theta, list(shape), align_corners=False))
            for image, theta in affine_inputs(shape)
        ]
        yield from compare("grid", against_torch(unwarp.sample, rivals.torch_grid), pairs, seconds)


def padded_lines(mode: str, seconds: float) -> Iterator[Line]:
    """A padding that reads the image for what lies outside: its pixels search further for their gradient."""

    def ours(image: Tensor, theta: Tensor) -> Tensor:
        return unwarp.warp(image, theta, "affine", padding_mode=mode)

    def theirs(image: Tensor, theta: Tensor) -> Tensor:
        grid = functional.affine_grid(theta, list(image.shape), align_corners=False)
        return functional.grid_sample(image, grid, padding_mode=mode, align_corners=False)

    for shape in DEEP:
        yield from compare(mode, against_torch(ours, theirs), affine_inputs(shape), seconds)


def projective_lines(seconds: float) -> Iterator[Line]:
    """A slight tilt: a division for each pixel, and half-spaces to search in."""

    def tilted(theta: Tensor) -> Tensor:
        row = torch.tensor([0.1, -0.05], device=theta.device)
        return torch.cat([theta.flatten(1), row.expand(len(theta), 2)], 1)

    def theirs(image: Tensor, theta: Tensor) -> Tensor:
        identity = torch.eye(2, 3, device=image.device)[None]
        points = functional.affine_grid(identity, [1, *image.shape[1:]], align_corners=False)[0]
        numerator = functional.affine_grid(theta[:, :6].view(-1, 2, 3), list(image.shape), align_corners=False)
        denominator = 1 + (points * theta[:, None, None, 6:]).sum(-1, keepdim=True)
        return functional.grid_sample(image, numerator / denominator, align_corners=False)

    for shape in DEEP:
        pairs = [(image, tilted(theta)) for image, theta in affine_inputs(shape)]
        passes = against_torch(lambda i, t: unwarp.warp(i, t, "projective"), theirs)
        yield from compare("projective", passes, pairs, seconds)


def bicubic_lines(seconds: float) -> Iterator[Line]:
    """Sixteen taps."""
    for shape in (*DEEP, LARGE):
        yield from compare("bicubic", against_torch(bicubic, rivals.torch_bicubic), affine_inputs(shape), seconds)


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
    control = spline.identity().cuda()[None].expand(SPLINE[0], -1, -1)
    moved = torch.Generator().manual_seed(0)
    pairs = [
        (image, control + 0.05 * torch.randn(control.shape, generator=moved).cuda())
        for image, _ in affine_inputs(SPLINE)
    ]

    def theirs(image: Tensor, theta: Tensor) -> Tensor:
        weights, affine_part = get_tps_transform(control, theta)
        return warp_image_tps(image, theta, weights, affine_part, align_corners=True)

    def ours(image: Tensor, theta: Tensor) -> Tensor:
        return unwarp.warp(image, theta, spline, align_corners=True)

    yield from compare("tps", {"unwarp": ours, "kornia": theirs}, pairs, seconds, tolerance=0.15)


def cpab_lines(seconds: float) -> Iterator[Line]:
    """A batch of digits through a diffeomorphism, against the same in torch's operations."""
    with_op, without = unwarp.transforms.Diffeomorphic().cuda(), DiffeomorphicSeries().cuda()
    theta = 0.1 * torch.randn(DIGITS[0], *with_op.theta_shape, generator=torch.Generator().manual_seed(0)).cuda()
    pairs = [(image, theta) for image, _ in affine_inputs(DIGITS)]
    passes = {"unwarp": partial(unwarp.warp, transform=with_op), "series": partial(unwarp.warp, transform=without)}
    yield from compare("cpab", passes, pairs, seconds)


JOBS = {
    "affine": affine_lines, "channels_last": channels_last_lines, "grid": grid_lines,
    "border": partial(padded_lines, "border"), "reflection": partial(padded_lines, "reflection"),
    "projective": projective_lines, "bicubic": bicubic_lines, "bfloat16": bfloat16_lines,
    "3d": volume_lines, "tps": spline_lines, "cpab": cpab_lines,
}  # fmt: skip
