"""A table as Markdown, and the generated sections of a page."""

from collections.abc import Sequence
from pathlib import Path

from unwarp.errors import DataError
from unwarp.experiments.published import published_text
from unwarp.experiments.table_figures import TableCell
from unwarp.experiments.tables import TableLayout

__all__ = ["DETAILS", "detail_rows", "overview_rows", "pages_with", "section", "table_markdown", "with_section"]

DETAILS = ("experiment", "published", "ours", "seeds", "spread", "95 % interval")
_NONE = "–"


def table_markdown(layout: TableLayout, cells: Sequence[TableCell], *, pictures: Sequence[str] = ()) -> str:
    """The overview, the figures in full, and pictures.

    Args:
        layout: the table.
        cells: its figures.
        pictures: files to show, as seen from the page.
    """
    done = sum(cell.ours is not None for cell in cells)
    parts = [
        f"{layout.title}, {layout.quantity}, ours (published); {done} of {len(cells)} cells have run.",
        _markdown(("", *layout.columns), overview_rows(layout, cells)),
        _markdown(DETAILS, detail_rows(cells)),
        *_besides(layout, cells),
        *(f"![{layout.title}: {Path(picture).stem}]({picture})" for picture in pictures),
    ]
    return "\n\n".join(parts) + "\n"


def overview_rows(layout: TableLayout, cells: Sequence[TableCell]) -> list[tuple[str, ...]]:
    """One row of texts a network: ours, and the published figure in brackets."""
    texts = {(cell.row, cell.column): _short(cell) for cell in cells}
    return [(row, *(texts.get((row, column), "") for column in layout.columns)) for row in layout.rows]


def detail_rows(cells: Sequence[TableCell]) -> list[tuple[str, ...]]:
    """One row of texts a cell, below `DETAILS`."""
    return [(cell.experiment, published_text(cell.published), *_ours(cell)) for cell in cells]


def section(page: str, name: str) -> str:
    """The text between the markers of a generated section.

    Raises:
        DataError: the page has no such section.
    """
    begin, end = _markers(name)
    _, found, rest = page.partition(begin)
    inside, ended, _ = rest.partition(end)
    if not (found and ended):
        raise DataError(f"docs: expected the lines {begin!r} and {end!r} in the page, found not both. Add them.")
    return inside.strip("\n")


def pages_with(name: str, folder: Path) -> list[Path]:
    """The pages in a folder, at any depth, that have a generated section; none where there is no folder."""
    begin, _ = _markers(name)
    return [page for page in sorted(folder.rglob("*.md")) if begin in page.read_text(encoding="utf-8")]


def with_section(page: Path, name: str, text: str) -> str:
    """A page with another text between the markers of a generated section.

    Raises:
        DataError: the page has no such section.
    """
    content = page.read_text(encoding="utf-8")
    section(content, name)
    begin, end = _markers(name)
    before, _, rest = content.partition(begin)
    return f"{before}{begin}\n\n{text.strip()}\n\n{end}{rest.partition(end)[2]}"


def _markers(name: str) -> tuple[str, str]:
    return f"<!-- begin: unwarp table {name} -->", f"<!-- end: unwarp table {name} -->"


def _besides(layout: TableLayout, cells: Sequence[TableCell]) -> list[str]:
    """A table of the figures that runs have besides, if they have any: one row a figure, one column an experiment."""
    having = [cell for cell in cells if cell.figures]
    names = dict.fromkeys(name for cell in having for name in cell.figures)
    rows = [(name, *(_number(cell.figures.get(name), 1) for cell in having)) for name in names]
    return [_markdown((layout.quantity, *(cell.experiment for cell in having)), rows)] if rows else []


def _short(cell: TableCell) -> str:
    ours = _NONE if cell.ours is None else f"{cell.ours.mean:.2f}"
    return f"{ours} ({published_text(cell.published)})"


def _ours(cell: TableCell) -> tuple[str, str, str, str]:
    if cell.ours is None:
        return _NONE, "0", _NONE, _NONE
    mean, seeds, spread, low, high = cell.ours
    return f"{mean:.2f}", str(seeds), _number(spread, 2), f"{low:.2f} to {high:.2f}"


def _number(value: float | None, digits: int) -> str:
    return _NONE if value is None else f"{value:.{digits}f}"


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
