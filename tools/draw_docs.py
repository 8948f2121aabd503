"""Draw the picture of every transformation family for the documentation: ``python tools/draw_docs.py``.

Each picture shows the same digit, the region that a theta samples drawn on it, and the output beside it. It is drawn by
`unwarp.viz`, and a test holds that there is one for every family.
"""

import math
import sys
from pathlib import Path

import torch
from torch import Tensor

import unwarp
from unwarp import coordinates
from unwarp.data.mnist_subset import subset
from unwarp.transforms import (
    TRANSFORMS,
    AbstractTransform,
    Affine,
    Bounded,
    BSpline,
    Compose,
    Diffeomorphic,
    Flow,
    Inverse,
    LearnedBasis,
    LogPolar,
    PiecewiseAffine,
    Polar,
    Rigid,
    Similarity,
    StationaryVelocity,
    ThinPlateSpline,
)
from unwarp.viz import save_png, transformer_figure
from unwarp.viz.panels import MARGIN

FOLDER = Path(__file__).parent.parent / "docs" / "images" / "transforms"
SIZE = 112
WIDE_MARGIN = 0.4  # enough for what turns, tilts or moves a region out of the image

Example = tuple[str, Tensor]


def picture() -> Tensor:
    """A digit on faint squares, so that what happens to straight lines is seen where there is no digit."""
    digits = subset("test")
    digit = digits.images[digits.labels == 4][0].float() / 255
    large = torch.nn.functional.interpolate(digit.reshape(1, 1, 28, 28), SIZE, mode="bicubic").clamp(0, 1)
    squares = torch.arange(SIZE) % 14 == 0
    lines = (squares[:, None] | squares[None, :]).float() * 0.35
    return torch.maximum(large, lines)


def bend(control: Tensor, amount: float) -> Tensor:
    """Points moved along a smooth wave."""
    x, y = control.unbind(-1)
    return control + amount * torch.stack([torch.sin(3 * y), torch.cos(2 * x) - 0.5], dim=-1)


def swirl(points: Tensor, speed: float) -> Tensor:
    """Velocities that turn about the centre and fade towards the border."""
    x, y = points.unbind(-1)
    fade = (1 - x * x).clamp_min(0) * (1 - y * y).clamp_min(0) * speed
    return torch.stack([-y * fade, x * fade], dim=-1)


def examples(name: str) -> tuple[AbstractTransform, list[Example]]:
    """The family of a page, and the thetas that its picture shows."""
    if name in MATRICES:
        return TRANSFORMS[name](ndim=2), [(caption, torch.tensor(theta)) for caption, theta in MATRICES[name]]
    return OTHERS[name]()


MATRICES: dict[str, list[tuple[str, list[float] | list[list[float]]]]] = {
    "translation": [("t = (0.3, 0)", [0.3, 0.0]), ("t = (0.2, -0.4)", [0.2, -0.4])],
    "attention": [("s = 0.5, t = 0", [0.5, 0.0, 0.0]), ("s = 0.6, t = (0.3, 0.2)", [0.6, 0.3, 0.2])],
    "rigid": [("30 degrees", [math.pi / 6, 0.0, 0.0]), ("-45 degrees, shifted", [-math.pi / 4, 0.2, 0.1])],
    "similarity": [
        ("s = 0.6, 30 degrees", [0.6, math.pi / 6, 0.0, 0.0]),
        ("s = 1.3, -20 degrees", [1.3, -math.pi / 9, 0.0, 0.0]),
    ],
    "affine": [
        ("shear", [[1.0, 0.4, 0.0], [0.0, 1.0, 0.0]]),
        ("scale, shear, shift", [[0.6, -0.2, 0.1], [0.3, 0.7, -0.1]]),
    ],
    "projective": [
        ("h = (0.3, 0)", [0.8, 0.0, 0.0, 0.0, 0.8, 0.0, 0.3, 0.0]),
        ("h = (0.2, -0.35)", [0.7, 0.1, 0.0, -0.1, 0.7, 0.0, 0.2, -0.35]),
    ],
}


def _spline(family: AbstractTransform, amount: float) -> tuple[AbstractTransform, list[Example]]:
    control = family.identity()
    single = control.clone()
    single[5] += torch.tensor([0.35, 0.25])
    return family, [("one control point moved", single), ("all along a wave", bend(control, amount))]


def _diffeomorphic() -> tuple[AbstractTransform, list[Example]]:
    family = Diffeomorphic((4, 4))
    nodes = family.nodes().float()
    return family, [
        ("velocities of a swirl", swirl(nodes, 1.6).flatten()),
        ("a wave", (bend(nodes, 0.2) - nodes).flatten()),
    ]


def _stationary_velocity() -> tuple[AbstractTransform, list[Example]]:
    family = StationaryVelocity((16, 16))
    nodes = coordinates.corner_grid((16, 16), dtype=torch.float32)
    fields = [swirl(nodes, 1.6), bend(nodes, 0.2) - nodes]
    return family, [
        (caption, field.reshape(16, 16, 2)) for caption, field in zip(("a swirl", "a wave"), fields, strict=True)
    ]


def _flow() -> tuple[AbstractTransform, list[Example]]:
    nodes = unwarp.make_grid((16, 16))
    rough = 0.12 * torch.randn(16, 16, 2, generator=torch.Generator().manual_seed(0))
    return Flow((16, 16)), [("a wave", bend(nodes, 0.2) - nodes), ("white noise, which folds", rough)]


def _learned_basis() -> tuple[AbstractTransform, list[Example]]:
    family = LearnedBasis(4)
    first, second = family.identity(), family.identity()
    first[0, 3] = 0.3
    second[0, 4], second[1, 6] = 0.2, 0.2
    return family, [("x moves with the first field", first), ("two fields", second)]


def _compose() -> tuple[AbstractTransform, list[Example]]:
    family = Compose(Affine(), ThinPlateSpline())
    affine = torch.tensor([[0.7, -0.2, 0.0], [0.2, 0.7, 0.0]])
    bent = bend(family.inner.identity(), 0.2)
    return family, [
        ("affine", family.join(affine, family.inner.identity())),
        ("affine after spline", family.join(affine, bent)),
    ]


def _inverse() -> tuple[AbstractTransform, list[Example]]:
    theta = torch.tensor([0.8, math.pi / 6, 0.0, 0.0])
    return Inverse(Similarity()), [("inverse of s = 0.8, 30 degrees", theta)]


def _bounded() -> tuple[AbstractTransform, list[Example]]:
    family = Bounded(Rigid(), angle=math.pi / 6, shift=0.25)
    return family, [
        ("asked for 20 degrees", torch.tensor([math.pi / 9, 0.0, 0.0])),
        ("asked for 150 degrees", torch.tensor([5 * math.pi / 6, 0.0, 0.0])),
    ]


def _polar(family: AbstractTransform) -> tuple[AbstractTransform, list[Example]]:
    return family, [("origin (0, 0)", torch.zeros(2)), ("origin (0.2, -0.3)", torch.tensor([0.2, -0.3]))]


OTHERS = {
    "piecewise_affine": lambda: _spline(PiecewiseAffine(), 0.15),
    "thin_plate_spline": lambda: _spline(ThinPlateSpline(), 0.15),
    "b_spline": lambda: _spline(BSpline(), 0.2),
    "diffeomorphic": _diffeomorphic,
    "stationary_velocity": _stationary_velocity,
    "flow": _flow,
    "polar": lambda: _polar(Polar()),
    "log_polar": lambda: _polar(LogPolar()),
    "learned_basis": _learned_basis,
    "compose": _compose,
    "inverse": _inverse,
    "bounded": _bounded,
}


def draw(name: str, folder: Path) -> Path:
    """Draw one family's picture."""
    transform, shown = examples(name)
    captions, thetas = [caption for caption, _ in shown], torch.stack([theta for _, theta in shown])
    images = picture().expand(len(shown), -1, -1, -1)
    outputs = unwarp.warp(images, thetas, transform).detach()
    cells, margin = (1, WIDE_MARGIN) if transform.has_matrix else (8, MARGIN)
    figure = transformer_figure(images, outputs, thetas, transform, captions=captions, cells=cells, margin=margin)
    return save_png(figure, folder / f"{name}.png", dpi=130)


def main(names: list[str]) -> None:
    """Draw the named families, or all."""
    for name in names or TRANSFORMS:
        draw(name, FOLDER)


if __name__ == "__main__":
    main(sys.argv[1:])
