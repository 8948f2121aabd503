"""A table as bars, one panel a task, with the published figure on each."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from unwarp.experiments.table_figures import TableCell
from unwarp.experiments.tables import TableLayout
from unwarp.viz import error_bars
from unwarp.viz.style import INK, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["bar_figure"]


def bar_figure(layout: TableLayout, cells: Sequence[TableCell]) -> "Figure":
    """Draw the cells that have run.

    Args:
        layout: the table.
        cells: its figures.
    """
    panels = {column: [cell for cell in cells if cell.column == column and cell.runs] for column in layout.columns}
    drawn = {column: found for column, found in panels.items() if found}
    figure = new_figure(6.4, max(1.5, sum(0.9 + 0.36 * len(found) for found in drawn.values())))
    heights = [0.9 + 0.36 * len(found) for found in drawn.values()]
    spec = figure.add_gridspec(max(1, len(drawn)), 1, height_ratios=heights or [1])
    for place, (column, found) in enumerate(drawn.items()):
        ax = figure.add_subplot(spec[place, 0])
        ax.set_title(column, loc="left", color=INK, fontsize=10)
        errors = {cell.row: cell.runs for cell in found}
        published = {cell.row: cell.published for cell in found if cell.published is not None}
        intervals = {cell.row: (cell.ours.low, cell.ours.high) for cell in found if cell.ours is not None}
        error_bars(
            errors,
            intervals=intervals,
            published=published,
            xlabel=f"{layout.quantity}, with its 95 % interval",
            models=list(layout.rows),
            ax=ax,
        )
    return figure
