"""Checking a committed table: its figures from the records, and kept weights from the test images."""

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import NamedTuple

from unwarp.errors import DataError
from unwarp.experiments.kept_weights import cards, recompute
from unwarp.experiments.table_figures import TableCell
from unwarp.experiments.table_files import page_text, pictures_beside, table_paths, table_texts
from unwarp.experiments.table_markdown import section
from unwarp.experiments.tables import TableLayout

__all__ = ["Finding", "check_files", "check_kept", "check_weights"]


class Finding(NamedTuple):
    """What a check found.

    Attributes:
        text: in a sentence.
        sound: whether it is as it should be.
    """

    text: str
    sound: bool


def check_files(
    layout: TableLayout, cells: Sequence[TableCell], results: Path, name: str, pages: Sequence[Path]
) -> Generator[Finding, None, None]:
    """Compare the table's files with the records.

    Args:
        layout: the table.
        cells: its figures, from the records.
        results: folder of all records.
        name: of the table's section, see `unwarp.experiments.table_files.section_name`.
        pages: with the section.
    """
    for path, expected in table_texts(layout, cells, results, name).items():
        yield _same(str(path), path.read_text(encoding="utf-8") if path.is_file() else None, expected)
    for page in pages:
        pictures = pictures_beside(page, table_paths(results, name))
        try:
            found = section(page.read_text(encoding="utf-8"), name)
        except (OSError, DataError) as error:
            yield Finding(str(error), sound=False)
            continue
        yield _same(f"{page}, section {name!r}", found.strip(), page_text(layout, cells, pictures, page).strip())


def check_kept(
    layout: TableLayout, cells: Sequence[TableCell], results: Path, name: str
) -> Generator[Finding, None, None]:
    """Count the runs whose weights are kept, where the table's definition asks for some.

    Args:
        layout: the table.
        cells: its figures, from the records.
        results: folder of all records.
        name: of the table's section, see `unwarp.experiments.table_files.section_name`.
    """
    found, least = sum(len(cell.weights) for cell in cells), layout.kept.get(name, 0)
    if found < least:
        yield Finding(
            f"kept weights: expected those of at least {least} runs of {name!r} in {results}, found {found}. "
            "Restore the files weights-*, or keep a run's by --keep EXPERIMENT.",
            sound=False,
        )
    elif least:
        yield Finding(f"kept weights of {found} runs of {name!r}, of at least {least}", sound=True)


def check_weights(
    layout: TableLayout, results: Path, *, data_dir: Path | None = None
) -> Generator[Finding, None, None]:
    """Compare the cards of all kept weights of a table with the records, and compute their errors again.

    Args:
        layout: the table.
        results: folder of all records.
        data_dir: folder of the four MNIST files, else they are downloaded once.
    """
    for path in (card for name in layout.names for card in cards(name, results)):
        try:
            again = recompute(path, data_dir=data_dir)
        except DataError as error:
            yield Finding(str(error), sound=False)
            continue
        card = again.card
        yield Finding(
            f"{card.experiment}, seed {card.seed}: {again.error:.2f} % computed again, {card.float32_error:.2f} % "
            f"recorded in float32, {card.test_error:.2f} % in its training's arithmetic, as its record says",
            again.agrees,
        )


def _same(what: str, found: str | None, expected: str) -> Finding:
    state = "is missing" if found is None else "agrees with the records"
    if found is not None and found != expected:
        state = "does not agree with the records; make the table again"
    return Finding(f"{what} {state}", found == expected)
