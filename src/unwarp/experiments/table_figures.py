"""A table's figures: the published one beside ours, cell by cell."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unwarp.experiments.cells import records_of
from unwarp.experiments.experiment import choose
from unwarp.experiments.kept_weights import card_file
from unwarp.experiments.published import Published, published_error
from unwarp.experiments.records import Record
from unwarp.experiments.summary import Summary, summarise
from unwarp.experiments.tables import TableLayout

__all__ = ["TableCell", "collect", "table_json"]


@dataclass(frozen=True)
class TableCell:
    """One cell with its figures.

    Attributes:
        row: heading.
        column: heading.
        experiment: name.
        published: what the paper gives.
        ours: over the runs there are; nothing without a run.
        runs: their figures, by seed.
        records: their files, below the folder of results.
        weights: files that describe kept weights, below the folder of results.
        figures: what the runs say besides, by name, averaged.
        examples: test images of each run; nothing where runs differ in it.
    """

    row: str
    column: str
    experiment: str
    published: Published | None
    ours: Summary | None
    runs: list[float]
    records: list[str]
    weights: list[str]
    figures: dict[str, float]
    examples: int | None


def collect(layout: TableLayout, results: Path, assignments: Sequence[str] = (), *, budget: str) -> list[TableCell]:
    """Every cell of a table, row by row, from the records of its runs.

    Args:
        layout: the table.
        results: folder of all records.
        assignments: changed settings, ``section.key=value`` each.
        budget: of the runs.
    """
    return [
        _cell(layout, row, column, records_of(choose(name, assignments, budget=budget), results), name, results)
        for row in layout.rows
        for column in layout.columns
        if (name := layout.name(row, column)) is not None
    ]


def table_json(layout: TableLayout, cells: Sequence[TableCell]) -> str:
    """The figures as a JSON document."""
    document: dict[str, Any] = {"title": layout.title, "quantity": layout.quantity, "cells": [_plain(c) for c in cells]}
    return json.dumps(document, indent=1) + "\n"


def _cell(layout: TableLayout, row: str, column: str, records: Sequence[Record], name: str, results: Path) -> TableCell:
    errors = [record.test_error for record in records]
    runs = [round(100 - error, 4) for error in errors] if layout.larger_is_better else errors
    counts = {record.test_examples for record in records}
    examples = counts.pop() if len(counts) == 1 else None
    return TableCell(
        row=row,
        column=column,
        experiment=name,
        published=_shown(layout, published_error(name)),
        ours=summarise(runs, examples=examples) if runs else None,
        runs=runs,
        records=[record.file.as_posix() for record in records],
        weights=[card_file(record).as_posix() for record in records if (results / card_file(record)).is_file()],
        figures=_averages([record.figures for record in records]),
        examples=examples,
    )


def _shown(layout: TableLayout, error: Published | None) -> Published | None:
    if not layout.larger_is_better or error is None:
        return error
    return (100 - error[1], 100 - error[0]) if isinstance(error, tuple) else 100 - error


def _averages(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    common = [name for name in figures[0] if all(name in each for each in figures)] if figures else []
    return {name: round(statistics.fmean(each[name] for each in figures), 2) for name in common}


def _plain(cell: TableCell) -> dict[str, Any]:
    ours = None if cell.ours is None else {key: _rounded(value) for key, value in cell.ours._asdict().items()}
    return {**asdict(cell), "ours": ours}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
