"""Draw the pictures of the sampling kernels for the documentation: ``python tools/draw_kernels.py``.

Each picture shows what a kernel makes of a single bright pixel (its impulse response, prefilter and normalisation
included), which frequencies it keeps, and the middle of a digit enlarged 12 times. Another one shows anti-aliasing.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

import unwarp
from unwarp.data.mnist_subset import subset
from unwarp.kernels import AbstractKernel, BSpline, Cubic, Gaussian, Lanczos, resolve
from unwarp.viz import save_png, show_image
from unwarp.viz.style import FAINT, color_of, new_figure, plain_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FOLDER = Path(__file__).parent.parent / "docs" / "images" / "kernels"
PIXELS, STEPS = 65, 64
PAGES: dict[str, Sequence[tuple[str, AbstractKernel]]] = {
    "nearest": [("nearest", resolve("nearest"))],
    "linear": [("bilinear", resolve("bilinear"))],
    "cubic": [("a = -0.75", Cubic()), ("a = -0.5", Cubic(-0.5))],
    "lanczos": [(f"lanczos{lobes}", Lanczos(lobes)) for lobes in (2, 3, 4)],
    "bspline": [(f"bspline{order}", BSpline(order)) for order in (2, 3, 5, 7)],
    "gaussian": [(f"sigma = {sigma}", Gaussian(sigma)) for sigma in (0.4, 0.5, 0.8)],
}


def impulse_response(kernel: AbstractKernel) -> tuple[Tensor, Tensor]:
    """Distances in pixels, and the value that a single bright pixel contributes there."""
    impulse = torch.zeros(1, 1, PIXELS, dtype=torch.float64)
    impulse[..., PIXELS // 2] = 1
    distance = torch.arange(-PIXELS // 2 * STEPS, PIXELS // 2 * STEPS + 1, dtype=torch.float64) / STEPS
    grid = unwarp.coordinates.pixel_to_normalised((distance + PIXELS // 2)[None, :, None], (PIXELS,))
    return distance, unwarp.sample(impulse, grid, mode=kernel, padding_mode="circular")[0, 0]


def draw_kernels(kernels: Sequence[tuple[str, AbstractKernel]]) -> "Figure":
    """Impulse responses, frequency responses, and an enlarged digit."""
    figure = new_figure(11, 3.2)
    response, spectrum, picture = figure.subplots(1, 3, width_ratios=(1.3, 1.3, 1))
    for number, (name, kernel) in enumerate(kernels):
        distance, value = impulse_response(kernel)
        near = distance.abs() <= 4.5
        response.plot(distance[near], value[near], color=color_of(number), label=name)
        frequency = np.fft.rfftfreq(len(value), 1 / STEPS)
        gain = np.abs(np.fft.rfft(value.numpy())) / STEPS
        kept = frequency <= 2
        spectrum.plot(frequency[kept], gain[kept], color=color_of(number))
    _label(response, "distance in pixels", "response to one pixel")
    _label(spectrum, "cycles per pixel", "gain")
    spectrum.axvline(0.5, color=FAINT, linewidth=1)
    spectrum.set_ylim(0, 1.2)
    if len(kernels) > 1:
        response.legend(frameon=False, fontsize=8)
    show_image(enlarged(kernels[0][1]), ax=picture)
    picture.set_title(kernels[0][0], fontsize=9)
    return figure


def enlarged(kernel: AbstractKernel) -> Tensor:
    """The middle of a digit, 12 times larger, ``(1, h, w)``."""
    digits = subset("test")
    digit = digits.images[digits.labels == 4][:1].float().reshape(1, 1, 28, 28) / 255
    crop = torch.tensor([[0.5, 0.0, 0.0]])
    return unwarp.warp(digit, crop, "attention", (168, 168), mode=kernel)[0].clamp(0, 1)


def draw_antialias() -> "Figure":
    """Rings that grow finer outwards, shrunk 6 times and turned: plainly, and anti-aliased."""
    axis = torch.linspace(-1, 1, 384)
    rings = 0.5 + 0.5 * torch.cos(150 * (axis[:, None] ** 2 + axis**2))
    angle = math.radians(20)
    turn = torch.tensor([[[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0]]])
    figure = new_figure(9, 3.2)
    panels = figure.subplots(1, 3)
    show_image(rings[None], ax=panels[0])
    panels[0].set_title("input, 384 x 384", fontsize=9)
    for panel, antialias in zip(panels[1:], (False, True), strict=True):
        show_image(unwarp.warp(rings[None, None], turn, "affine", 64, antialias=antialias)[0], ax=panel)
        panel.set_title(f"64 x 64, antialias={antialias}", fontsize=9)
    return figure


def _label(axes: "Axes", x: str, y: str) -> None:
    plain_axes(axes, 0, 0)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.axhline(0, color=FAINT, linewidth=0.8)


def main() -> None:
    """Write a PNG a page."""
    for page, kernels in PAGES.items():
        save_png(draw_kernels(kernels), FOLDER / f"{page}.png", dpi=100)
    save_png(draw_antialias(), FOLDER / "antialias.png", dpi=100)


if __name__ == "__main__":
    main()
