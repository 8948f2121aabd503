"""Writing a table: JSON, Markdown, the bars, and its section of a page."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from unwarp._whole_file import write_whole
from unwarp.experiments.experiment import custom_label
from unwarp.experiments.table_bars import bar_figure
from unwarp.experiments.table_figures import TableCell, table_json
from unwarp.experiments.table_markdown import table_markdown, with_section
from unwarp.experiments.tables import TableLayout
from unwarp.viz import save_png

__all__ = ["TablePaths", "page_text", "pictures_beside", "section_name", "table_paths", "table_texts", "write_table"]

FOLDER = "tables"  # in the folder of results


class TablePaths(NamedTuple):
    """The files of a table.

    Attributes:
        figures: JSON.
        markdown: the same to read.
        bars: a picture.
        samples: folder of pictures of what the transformers do.
    """

    figures: Path
    markdown: Path
    bars: Path
    samples: Path

    @property
    def pictures(self) -> list[Path]:
        """The pictures that a page shows: the bars, and the samples that there are."""
        return [self.bars, *sorted(self.samples.glob("*.png"))]


def section_name(name: str, budget: str, assignments: Sequence[str] = ()) -> str:
    """What a table of such runs is called, in the markers of a page and in its files, for example ``1 standard``."""
    return f"{name} {budget}" + (f" {custom_label({'settings': sorted(assignments)})}" if assignments else "")


def table_paths(results: Path, name: str) -> TablePaths:
    """Where a table's files lie.

    Args:
        results: folder of all records.
        name: from `section_name`.
    """
    stem = results / FOLDER / name.replace(" ", "-")
    figures, markdown, bars = (stem.with_suffix(ending) for ending in (".json", ".md", ".png"))
    return TablePaths(figures, markdown, bars, stem.with_name(f"{stem.name}-samples"))


def table_texts(layout: TableLayout, cells: Sequence[TableCell], results: Path, name: str) -> dict[Path, str]:
    """What stands in the files that are text."""
    paths = table_paths(results, name)
    return {
        paths.figures: table_json(layout, cells),
        paths.markdown: page_text(layout, cells, paths.pictures, paths.markdown),
    }


def page_text(layout: TableLayout, cells: Sequence[TableCell], pictures: Sequence[Path], page: Path) -> str:
    """What stands in the table's section of a page."""
    seen = [Path(os.path.relpath(picture, page.parent)).as_posix() for picture in pictures]
    return table_markdown(layout, cells, pictures=seen)


def pictures_beside(page: Path, paths: TablePaths) -> list[Path]:
    """Where a page has its copies of the pictures: documentation shows nothing that lies outside of its folder."""
    return [page.parent / "images" / "tables" / picture.relative_to(paths.bars.parent) for picture in paths.pictures]


def write_table(
    layout: TableLayout, cells: Sequence[TableCell], results: Path, name: str, *, page: Path | None = None
) -> list[Path]:
    """Write a table's files into ``tables/`` of the folder of results.

    Args:
        layout: what stands where.
        cells: its figures.
        results: folder of all records.
        name: from `section_name`.
        page: a page whose section of this table is replaced.

    Returns:
        The files.

    Raises:
        DataError: the page has no section for this table.
    """
    paths = table_paths(results, name)
    save_png(bar_figure(layout, cells), paths.bars)
    texts = table_texts(layout, cells, results, name)
    if page is not None:
        texts[page] = with_section(page, name, page_text(layout, cells, pictures_beside(page, paths), page))
        for source, copy in zip(paths.pictures, pictures_beside(page, paths), strict=True):
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
    return [paths.bars, *(write_whole(path, text.encode()) for path, text in texts.items())]
