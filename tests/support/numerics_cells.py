"""Undefined, infinite and huge positions, forward and backward: run as a program, so that a crash is seen.

``python numerics_cells.py FIRST BACKEND ...`` runs the backends' cells from number ``FIRST`` on and prints, for each,
a line before it starts and a line with what was wrong, if anything: they tell which cell a crash belongs to.
"""

import itertools
import json
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor

import unwarp
from support.generators import generator, image, theta_near_identity
from unwarp.padding import MODES

SIZE, OUT = {2: (5, 6), 3: (4, 5, 6)}, {2: (4, 3), 3: (2, 4, 3)}
VALUES = (math.nan, math.inf, -math.inf, 1e30, -1e30, 3e38, -3e38, 2.0**31, -(2.0**31))
FEW = (math.nan, math.inf, -3e38)
FILL = 9.0
OPS = ("sample", "affine shift", "affine scale", "projective", "thin_plate_spline")


@dataclass(frozen=True)
class Cell:
    """One line of the table: a value in a place, under a padding."""

    op: str
    padding: str
    mode: str
    ndim: int
    align_corners: bool
    value: float

    @property
    def periodic(self) -> bool:
        """Whether the padding repeats the image, and so has no limit."""
        return self.padding in ("reflection", "circular")


CELLS = [
    *(Cell(*options) for options in itertools.product(OPS, MODES, ("bilinear",), (2,), (False,), VALUES)),
    *(Cell(*options) for options in itertools.product(OPS, MODES, ("nearest", "bicubic"), (2,), (False,), FEW)),
    *(Cell(*options) for options in itertools.product(OPS, MODES, ("bilinear",), (2,), (True,), FEW)),
    *(Cell(*options) for options in itertools.product(OPS, MODES, ("bilinear",), (3,), (False,), FEW)),
]


@dataclass(frozen=True)
class Answer:
    """The result and its gradients. The first of two images, or its first sample, is the one with the value."""

    values: Tensor
    image: Tensor
    theta: Tensor


def covered(cell: Cell, backend: str) -> bool:
    """Whether a backend does not refuse the cell."""
    return backend != "aten" or cell.padding in ("zeros", "border", "reflection")


def problems(cell: Cell, backend: str) -> Iterator[str]:
    """What is wrong with a backend's answer to a cell."""
    found, expected = _answer(cell, backend), _answer(cell, "reference")
    for what, actual, clean in _zip(found, _answer(replace(cell, value=0.0), "reference")):
        yield from _differ(f"{what} of the other image", actual[1], clean[1])
    if not found.image.isfinite().all():
        yield "the image's gradient is not finite"
    if cell.op in ("sample", "affine shift") or not cell.periodic:
        # Elsewhere finite positions of 2^29 pixels are folded into the image: any rounding moves them by dozens.
        for what, actual, reference in _zip(found, expected):
            yield from _differ(f"{what}, against the reference", actual, reference)
    if math.isnan(cell.value) or (cell.periodic and cell.op in ("sample", "affine shift")):
        yield from _undefined(cell, found)
    elif cell.op in ("sample", "affine shift"):
        yield from _limit(cell, found)


def _zip(found: Answer, expected: Answer) -> Iterator[tuple[str, Tensor, Tensor]]:
    yield "values", found.values, expected.values
    yield "image gradient", found.image, expected.image
    yield "theta gradient", found.theta, expected.theta


@cache
def _answer(cell: Cell, backend: str) -> Answer:
    source, where = _image(cell).requires_grad_(), _PLACES[cell.op](cell).requires_grad_()
    options = {"mode": cell.mode, "padding_mode": cell.padding, "align_corners": cell.align_corners, "backend": backend}
    if cell.padding == "fill":
        options["fill_value"] = FILL
    if cell.op == "sample":
        values = unwarp.sample(source, where, **options)
    else:
        family = unwarp.transforms.resolve(cell.op.split()[0], cell.ndim)
        values = unwarp.warp(source, where, family, OUT[cell.ndim], **options)
    values.sum().backward()
    return Answer(values.detach(), source.grad, where.grad)


def _undefined(cell: Cell, found: Answer) -> Iterator[str]:
    """NaN for the sample and the gradient of its position; the image's gradient gets nothing from it."""
    values, slope = _affected(cell, found)
    if not values.isnan().all():
        yield f"an undefined sample is {values.flatten()[0]}"
    if not slope.isnan().any():
        yield f"the gradient of an undefined position is {slope.flatten()[0]}"
    if cell.op == "sample" and (found.values.isnan().sum() != values.numel() or found.theta.isnan().sum() > cell.ndim):
        yield "other samples are NaN as well"
    if cell.op != "sample" and found.image[0].any():
        yield "the image has a gradient of samples that are undefined"


def _limit(cell: Cell, found: Answer) -> Iterator[str]:
    """The limit of the padding, which does not change with the position."""
    values, slope = _affected(cell, found)
    if cell.padding == "border":
        edge = _image(cell)[0, ..., -1 if cell.value > 0 else 0].flatten(1)
        margin = 0.5 if cell.mode == "bicubic" else 1e-6  # cubic weights overshoot along the other axes
        rows = values.reshape(len(edge), -1)
        wrong = ((rows < edge.amin(1, keepdim=True) - margin) | (rows > edge.amax(1, keepdim=True) + margin)).any()
    else:
        wrong = (values != (FILL if cell.padding == "fill" else 0.0)).any()
    if wrong:
        yield f"beyond the image the values are {values.flatten().tolist()}"
    if slope.any():
        yield f"the gradient of a position at infinity is {slope.flatten().tolist()}"


def _affected(cell: Cell, found: Answer) -> tuple[Tensor, Tensor]:
    """The samples whose position has the value, ``(channels, ...)``, and the gradient of what moves their x."""
    if cell.op == "sample":
        return found.values[(0, slice(None), *(0,) * cell.ndim)], found.theta[(0, *(0,) * cell.ndim, slice(0, 1))]
    slope = found.theta[0, 0] if cell.op.startswith("affine") else found.theta[0]
    return found.values[0], slope


def _differ(what: str, actual: Tensor, expected: Tensor) -> Iterator[str]:
    if not torch.allclose(actual, expected, atol=2e-5, rtol=2e-5, equal_nan=True):
        yield f"{what}: expected {expected.flatten()[:12].tolist()}, got {actual.flatten()[:12].tolist()}"


def _image(cell: Cell) -> Tensor:
    return image(SIZE[cell.ndim], channels=2)


def _grid(cell: Cell) -> Tensor:
    grid = 1.8 * torch.rand(2, *OUT[cell.ndim], cell.ndim, generator=generator(1)) - 0.9
    grid[(0, *(0,) * (cell.ndim + 1))] = cell.value
    return grid


def _theta(entry: Callable[[int], int]) -> Callable[[Cell], Tensor]:
    """Near the identity, but for one entry of the first theta."""

    def place(cell: Cell) -> Tensor:
        family = unwarp.transforms.resolve(cell.op.split()[0], cell.ndim)
        theta = theta_near_identity(family, spread=0.1, dtype=torch.float32)
        theta[0].view(-1)[entry(cell.ndim)] = cell.value
        return theta

    return place


_PLACES: dict[str, Callable[[Cell], Tensor]] = {
    "sample": _grid,
    "affine shift": _theta(lambda ndim: ndim),
    "affine scale": _theta(lambda ndim: 0),
    "projective": _theta(lambda ndim: ndim * (ndim + 1)),
    "thin_plate_spline": _theta(lambda ndim: ndim),
}


def main(first: int, backends: list[str]) -> None:
    """Run the cells of the backends one after the other, saying so."""
    torch.set_num_threads(1)
    for number, (backend, cell) in enumerate(itertools.product(backends, CELLS)):
        if number >= first and covered(cell, backend):
            _say({"start": number})
            _say({"end": number, "problems": list(problems(cell, backend))})


def _say(what: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
