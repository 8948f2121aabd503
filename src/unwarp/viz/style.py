"""One look for all figures: colours that colour-blind readers can tell apart, and lines that show on any picture."""

from typing import TYPE_CHECKING

from unwarp._optional import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patheffects import AbstractPathEffect

OKABE_ITO = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#0072B2", "#D55E00", "#F0E442")
"""Okabe and Ito, "Color Universal Design" (2008), without black; those that shine on a dark image come first."""

INK = "#333333"
FAINT = "#BBBBBB"
SHADE = "#202020"


def color_of(index: int) -> str:
    """Colour number ``index`` of the palette, which starts again at its end."""
    return OKABE_ITO[index % len(OKABE_ITO)]


def hatch_of(index: int) -> str:
    """What tells colour number ``index`` from the same one of another round: no hatching in the first."""
    return ("", "///", "xxx", "...")[index // len(OKABE_ITO) % 4]


def plain(text: str) -> str:
    """A text that is drawn as it stands: matplotlib takes what lies between two dollars for mathematics.

    A legend leaves out what begins with an underscore, so that gets a space before it.
    """
    drawn = text.replace("$", r"\$")
    return f" {drawn}" if drawn.startswith("_") else drawn


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure of ``width`` x ``height`` inches on white, so that it reads the same on dark and light pages."""
    return require("matplotlib.figure", extra="train").Figure(
        figsize=(width, height), layout="constrained", facecolor="white"
    )


def plain_axes(ax: "Axes | None", width: float, height: float) -> "Axes":
    """The given axes, or those of a new figure, without the frame's top and right sides."""
    ax = new_figure(width, height).add_subplot() if ax is None else ax
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def halo(linewidth: float) -> "list[AbstractPathEffect]":
    """A dark edge around a line of ``linewidth`` points: it then shows on black, on white and on a picture."""
    effects = require("matplotlib.patheffects", extra="train")
    return [effects.withStroke(linewidth=linewidth + 1.6, foreground=SHADE)]
