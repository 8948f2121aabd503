"""Errors during training, and errors at its end with how far they can be trusted."""

import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from unwarp.errors import OptionError, ShapeError
from unwarp.viz.style import FAINT, INK, color_of, hatch_of, plain, plain_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKERS = "osD^vP*"


def training_curves(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    xlabel: str = "epoch",
    ylabel: str = "test error (%)",
    log: bool = False,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw one line a run.

    Args:
        curves: name of a run -> its ``(x, y)`` values, equally many; a NaN leaves a gap.
        xlabel: what x is.
        ylabel: what y is, with its unit.
        log: whether y is logarithmic.
        ax: where to draw. Default: new axes.

    Returns:
        The axes drawn on.

    Raises:
        ShapeError: a run has not as many x as y.
    """
    ax = plain_axes(ax, 6.4, 3.2)
    for index, (name, (x, y)) in enumerate(curves.items()):
        if len(x) != len(y):
            raise ShapeError(f"curves[{name!r}]: expected as many x as y, got {len(x)} and {len(y)}.")
        # Colour and marker both tell the runs apart: colours alone fail in print.
        ax.plot(
            x,
            y,
            color=color_of(index),
            marker=MARKERS[index % len(MARKERS)],
            markersize=5,
            linewidth=2,
            label=plain(name),
        )
    ax.set_xlabel(xlabel, color=INK)
    ax.set_ylabel(ylabel, color=INK)
    ax.locator_params(axis="x", integer=all(float(v).is_integer() for x, _ in curves.values() for v in x))
    _scale(ax, log=log)
    if curves:
        ax.legend(edgecolor="none", framealpha=1)
    return ax


def error_bars(
    errors: Mapping[str, Sequence[float]],
    *,
    intervals: Mapping[str, tuple[float, float]] | None = None,
    published: Mapping[str, float | tuple[float, float]] | None = None,
    xlabel: str = "test error (%)",
    models: Sequence[str] | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw one bar a model: the mean over its runs, with its interval as a whisker.

    Args:
        errors: name of a model -> the error of each of its runs, in percent.
        intervals: lower and upper end of each model's whisker, such as a 95 % interval; a model may have none.
        published: errors to compare with, drawn as a diamond, or as one at each end of a range; a model may have none.
        xlabel: what the bars show, with its unit.
        models: every model of a figure of several panels, so that each keeps its colour. Default: those of ``errors``.
        ax: where to draw. Default: new axes.

    Returns:
        The axes drawn on.

    Raises:
        ShapeError: a model has no run.
        OptionError: a model is not among ``models``, or its mean lies outside its interval.
    """
    places = {name: place for place, name in enumerate(models or errors)}
    if unknown := [name for name in errors if name not in places]:
        raise OptionError(f"models: expected every model of errors, got none of {unknown}. Add them.")
    ax = plain_axes(ax, 6.4, 0.9 + 0.5 * len(errors))
    ends: Mapping[str, tuple[float, float]] = {} if intervals is None else intervals
    figures = {row: published[name] for row, name in enumerate(errors) if published and name in published}
    known = {row: each if isinstance(each, tuple) else (each,) for row, each in figures.items()}
    for row, (name, runs) in enumerate(errors.items()):
        if not runs:
            raise ShapeError(f"errors[{name!r}]: expected the error of at least one run, got none.")
        mean, low_high = statistics.fmean(runs), ends.get(name)
        if low_high is not None and not low_high[0] <= mean <= low_high[1]:
            raise OptionError(
                f"intervals[{name!r}]: expected ends on both sides of the mean {mean:.4g}, got {low_high}. "
                "Give the lower end first."
            )
        _draw_bar(ax, row, places[name], mean, low_high, beyond=max(known.get(row, (0.0,))))
    if known:
        ax.hlines(
            list(known), [min(each) for each in known.values()], [max(each) for each in known.values()], INK, lw=1
        )
        marks = [(figure, row) for row, each in known.items() for figure in each]
        ax.plot(*zip(*marks, strict=True), "D", color="white", markeredgecolor=INK, zorder=4, label="published")
        ax.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0, handletextpad=0.2)
    ax.set_yticks(range(len(errors)), [plain(name) for name in errors])
    ax.invert_yaxis()
    ax.set_xlabel(xlabel, color=INK)
    ax.set_xlim(left=0)
    return ax


def _scale(ax: "Axes", *, log: bool) -> None:
    ax.grid(axis="y", color=FAINT, linewidth=0.6, alpha=0.6)
    ax.set_axisbelow(True)
    if log:
        # Plain numbers, so that an error of 0.5 % is not read as 5 x 10^-1.
        ax.set_yscale("log", subs=[2, 5])
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter("{x:g}")
        ax.grid(axis="y", which="minor", color=FAINT, linewidth=0.6, alpha=0.6)
    else:
        ax.set_ylim(bottom=0)


def _draw_bar(
    ax: "Axes", row: int, place: int, mean: float, ends: tuple[float, float] | None, *, beyond: float
) -> None:
    """A bar, its whisker, and its figures to the right of both and of what else there is."""
    colour, hatch = color_of(place), hatch_of(place)
    ax.barh(row, mean, height=0.6, zorder=2, color=colour, hatch=hatch, edgecolor="white", linewidth=0)
    text, right = f"{mean:.2f}", max(mean, beyond)
    if ends is not None:
        low, high = ends
        ax.errorbar(mean, row, xerr=[[mean - low], [high - mean]], color=INK, capsize=4, linewidth=1.4, zorder=3)
        text, right = f"{text} ({low:.2f} to {high:.2f})", max(right, high)
    ax.annotate(text, (right, row), (8, 0), textcoords="offset points", va="center", color=INK)
