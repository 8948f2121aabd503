"""Where a transformer looks: the region of the input that it samples, drawn on the input."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unwarp import coordinates
from unwarp._typing import Float
from unwarp.errors import OptionError
from unwarp.transforms.base import AbstractTransform
from unwarp.viz.style import SHADE, color_of, halo, new_figure, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SAMPLES = 65
"""Points a line: enough for a curve to look smooth."""

CELLS_OF_A_CURVED_GRID = 6
BEYOND = 100.0
"""Normalised coordinates past this are not drawn: a point behind the horizon of a projective map has no place."""


def region_lines(
    theta: Float[Tensor, "*batch *theta"], transform: AbstractTransform, *, cells: int = 1
) -> Float[Tensor, "*batch lines points 2"]:
    """Lines of a regular grid over the output, at the input positions that the transformer samples.

    Convention: normalised ``(x, y)``; the lines are the images of the output's own grid lines under T_theta.

    Args:
        theta: ``(*batch, *theta_shape)``.
        transform: a family of two dimensions.
        cells: cells of the grid along each axis; 1 gives the outline.

    Returns:
        ``(*batch, 2 * (cells + 1), points, 2)``: the horizontal lines from the output's top to its bottom, each from
        left to right, then the vertical ones from left to right, each from top to bottom.

    Raises:
        OptionError: ``cells`` is not positive, or the family is not of two dimensions.
    """
    if transform.ndim != 2:
        raise OptionError(f"transform: expected one of 2 dimensions, got {transform}. Draw a slice of the volume.")
    if cells < 1:
        raise OptionError(f"cells: expected at least 1, got {cells}.")
    with torch.no_grad():
        return transform(theta, _grid_lines(cells).to(theta.device))


def draw_region(
    theta: Float[Tensor, "*k *theta"],
    transform: AbstractTransform,
    size: Sequence[int],
    *,
    cells: int | None = None,
    align_corners: bool = False,
    ax: "Axes | None" = None,
    color: str | None = None,
    label: str | None = None,
) -> "Axes":
    """Draw the region of an image that a transformer samples; a dot marks the output's top left corner.

    The axes keep their limits: what lies outside them is cut off.

    Args:
        theta: of one transformer, or of k on the same image, each then in a colour of its own.
        transform: the family, of two dimensions.
        size: ``(height, width)`` of the image.
        cells: cells of the grid along each axis. Default: the outline for the families given by a matrix, which keep
            straight lines straight, and 6 for the others.
        align_corners: as in `unwarp.warp`.
        ax: where to draw, in pixel coordinates as ``ax.imshow`` uses them. Default: new axes that show ``size``.
        color: one for all, in place of the palette.
        label: for a legend.

    Returns:
        The axes drawn on.

    Examples:
        >>> from unwarp.transforms import Affine
        >>> ax = draw_region(Affine().identity(), Affine(), (28, 28))
    """
    ax = _empty_image_axes(size) if ax is None else ax
    if cells is None:
        cells = 1 if transform.has_matrix else CELLS_OF_A_CURVED_GRID
    lines = region_lines(theta.detach(), transform, cells=cells)
    pixels = coordinates.normalised_to_pixel(_without_far_points(lines), size, align_corners=align_corners)
    for index, region in enumerate(pixels.cpu().flatten(0, -4) if pixels.ndim > 3 else [pixels.cpu()]):
        _draw_lines(ax, region, cells, color or color_of(index), label if index == 0 else None)
    return ax


def _grid_lines(cells: int) -> Float[Tensor, "lines points 2"]:
    along = torch.linspace(-1, 1, SAMPLES)
    across = torch.linspace(-1, 1, cells + 1)
    y, x = torch.meshgrid(across, along, indexing="ij")
    return torch.cat([torch.stack([x, y], dim=-1), torch.stack([y, x], dim=-1)])


def _without_far_points(points: Tensor) -> Tensor:
    return points.where((points.abs() < BEYOND).all(dim=-1, keepdim=True), torch.nan)


def _draw_lines(ax: "Axes", lines: Tensor, cells: int, color: str, label: str | None) -> None:
    # scalex, scaley: the axes keep their limits.
    draw = partial(ax.plot, color=color, scalex=False, scaley=False, zorder=3)
    for index, line in enumerate(lines):
        if index % (cells + 1) not in (0, cells):
            draw(*_xy(line), linewidth=0.8)
    draw(
        *_xy(_outline(lines, cells)),
        linewidth=1.8,
        path_effects=halo(1.8),
        label=None if label is None else plain(label),
    )
    draw(*_xy(lines[0, :1]), marker="o", markersize=5, markeredgecolor=SHADE)


def _outline(lines: Tensor, cells: int) -> Float[Tensor, "points 2"]:
    """The four outer lines as one, clockwise in the output: separate lines would leave dark gaps at the corners."""
    top, bottom, left, right = lines[0], lines[cells], lines[cells + 1], lines[2 * cells + 1]
    return torch.cat([top, right, bottom.flip(0), left.flip(0)])


def _xy(points: Float[Tensor, "points 2"]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return points[:, 0].double().numpy(), points[:, 1].double().numpy()


def _empty_image_axes(size: Sequence[int]) -> "Axes":
    height, width = size
    ax = new_figure(4, 4).add_subplot(aspect="equal")
    ax.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    return ax
