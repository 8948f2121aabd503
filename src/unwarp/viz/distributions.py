"""How theta is distributed over many images: whether a transformer looks at each of them in its own way."""

import math
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from unwarp._typing import Float
from unwarp.errors import ShapeError
from unwarp.transforms import AbstractDisplacement, AbstractTransform
from unwarp.viz.style import FAINT, INK, color_of, plain_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHOWN = 2000  # points: more would be one blot
_MOST_NAMES = 16  # entries that have room for their name
_JITTER = 0.18


def theta_distribution(
    theta: Float[Tensor, "batch *theta"], transform: AbstractTransform, *, ax: "Axes | None" = None
) -> "Axes":
    """Draw the distribution of theta's entries: a point an image, the middle half as a box, the identity as a line.

    A transformer that treats all images alike shows boxes without height. Families of control points are drawn where
    they are, each point's cloud around its place in the identity.

    Args:
        theta: ``(batch, *theta_shape)``.
        transform: its family.
        ax: where to draw. Default: new axes.

    Returns:
        The axes drawn on.

    Raises:
        ShapeError: theta is of another family.

    Examples:
        >>> from unwarp.transforms import Affine
        >>> ax = theta_distribution(torch.randn(100, 2, 3), Affine())
    """
    shape = tuple(transform.theta_shape)
    if tuple(theta.shape[1:]) != shape or not len(theta):
        raise ShapeError(f"theta: expected (batch, {', '.join(map(str, shape))}), got {tuple(theta.shape)}.")
    values = theta.detach().cpu().double()
    start = transform.start().double()
    if len(shape) == 2 and shape[1] == 2 and isinstance(transform, AbstractDisplacement):
        return _draw_points(values, start, ax)
    return _draw_entries(values.flatten(1), start.flatten(), transform, ax)


def entry_names(transform: AbstractTransform) -> list[str]:
    """A short name for each entry of the flattened theta: its kind, numbered where there are several."""
    kinds = transform.parameter_kinds
    counts = {kind: kinds.count(kind) for kind in kinds}
    seen = dict.fromkeys(kinds, 0)
    names: list[str] = []
    for kind in kinds:
        seen[kind] += 1
        names.append(f"{kind} {seen[kind]}" if counts[kind] > 1 else kind)
    return names


def _draw_entries(values: Tensor, start: Tensor, transform: AbstractTransform, ax: "Axes | None") -> "Axes":
    count = values.shape[1]
    ax = plain_axes(ax, max(4.0, min(12.0, 1.0 + 0.8 * count)), 3.4)
    chosen = values[:: max(1, math.ceil(len(values) / _SHOWN))]
    offsets = np.random.default_rng(0).uniform(-_JITTER, _JITTER, len(chosen))
    for index in range(count):
        ax.plot(index + offsets, chosen[:, index].numpy(), ".", color=color_of(1), markersize=3, alpha=0.5, zorder=2)
    finite = [entries[entries.isfinite()].numpy() for entries in values.unbind(1)]
    boxes = ax.boxplot(finite, positions=range(count), widths=0.5, showfliers=False, zorder=3, manage_ticks=False)
    for line in (line for lines in boxes.values() for line in lines):
        line.set(color=INK, linewidth=1.4)
    ax.hlines(
        start.numpy(), np.arange(count) - 0.42, np.arange(count) + 0.42, color=color_of(5), linestyle="--", zorder=4
    )
    names = entry_names(transform)
    if count <= _MOST_NAMES:
        ax.set_xticks(range(count), names, rotation=30, ha="right")
    ax.set_xlim(-0.6, count - 0.4)
    ax.set_ylabel("theta, the identity dashed", color=INK)
    ax.grid(axis="y", color=FAINT, linewidth=0.6, alpha=0.6)
    ax.set_axisbelow(True)
    return ax


def _draw_points(values: Tensor, start: Tensor, ax: "Axes | None") -> "Axes":
    """Control points as clouds, in the image's normalised coordinates, y downwards as on the screen."""
    ax = plain_axes(ax, 4.6, 4.6)
    chosen = values[:: max(1, math.ceil(len(values) * values.shape[1] / _SHOWN))]
    for index in range(values.shape[1]):
        points = chosen[:, index]
        ax.plot(points[:, 0].numpy(), points[:, 1].numpy(), ".", color=color_of(index), markersize=4, alpha=0.6)
    ax.plot(start[:, 0].numpy(), start[:, 1].numpy(), "+", color=INK, markersize=10, markeredgewidth=1.6)
    ax.plot([-1, 1, 1, -1, -1], [-1, -1, 1, 1, -1], color=FAINT, linewidth=1)
    away = chosen[chosen.isfinite()].abs().numpy()
    reach = float(np.quantile(np.append(away, 1.0), 0.99))
    ax.set(xlim=(-1.1 * reach, 1.1 * reach), ylim=(1.1 * reach, -1.1 * reach), aspect="equal")
    ax.set_xlabel("x, normalised; + is the identity", color=INK)
    ax.set_ylabel("y", color=INK)
    return ax
