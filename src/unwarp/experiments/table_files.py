"""Writing a table: JSON, Markdown, the bars, and its section of a page."""

import os
from collections.abc import Sequence
from pathlib import Path

from unwarp.experiments.experiment import custom_label
from unwarp.experiments.table_bars import bar_figure
from unwarp.experiments.table_figures import TableCell, table_json
from unwarp.experiments.table_markdown import table_markdown, with_section
from unwarp.experiments.tables import TableLayout
from unwarp.viz import save_png

__all__ = ["section_name", "write_table"]

FOLDER = "tables"  # in the folder of results


def write_table(
    name: str,
    layout: TableLayout,
    cells: Sequence[TableCell],
    results: Path,
    *,
    budget: str,
    assignments: Sequence[str] = (),
    docs: Path | None = None,
) -> list[Path]:
    """Write a table's files into ``tables/`` of the folder of results.

    Args:
        name: of the table.
        layout: what stands where.
        cells: its figures.
        results: folder of all records.
        budget: of the runs.
        assignments: settings that were changed.
        docs: page whose section of this table is replaced.

    Returns:
        The files.

    Raises:
        DataError: the page has no section for this table.
    """
    section = section_name(name, budget, assignments)
    stem = results / FOLDER / section.replace(" ", "-")
    stem.parent.mkdir(parents=True, exist_ok=True)
    bars = save_png(bar_figure(layout, cells), stem.with_suffix(".png"))
    written = [
        _write(stem.with_suffix(".json"), table_json(layout, cells)),
        _write(stem.with_suffix(".md"), table_markdown(layout, cells, pictures=[bars.name])),
        bars,
    ]
    if docs is None:
        return written
    picture = Path(os.path.relpath(bars, docs.parent)).as_posix()
    return [*written, _write(docs, with_section(docs, section, table_markdown(layout, cells, pictures=[picture])))]


def section_name(name: str, budget: str, assignments: Sequence[str] = ()) -> str:
    """What a table of these runs is called, for example ``1 standard``."""
    return f"{name} {budget}" + (f" {custom_label({'settings': sorted(assignments)})}" if assignments else "")


def _write(path: Path, text: str) -> Path:
    """Whole or not at all."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(text, encoding="utf-8")
    return unfinished.replace(path)
