"""The runs that a table is made of, and what has become of each."""

import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unwarp.errors import DataError, OptionError
from unwarp.experiments.config import ExperimentConfig
from unwarp.experiments.digits import known_digits
from unwarp.experiments.embedding import embedding_settings
from unwarp.experiments.experiment import Experiment, choose, custom_label
from unwarp.experiments.records import Record, read_record, write_record

__all__ = ["Cell", "cells", "finished_record", "records_of", "store_record"]


@dataclass(frozen=True)
class Cell:
    """One run of a table: an experiment and a seed."""

    experiment: Experiment
    seed: int

    @property
    def place(self) -> Path:
        """Folder of the run within the folder of runs; its record has the same name, with ``.json``."""
        return Path(self.experiment.name, f"{self.experiment.label}-seed{self.seed}")


def cells(names: Iterable[str], assignments: Sequence[str] = (), *, budget: str, seeds: int) -> list[Cell]:
    """The runs of a table, seed by seed: every experiment has run once before the first runs again.

    Args:
        names: of the experiments.
        assignments: changed settings, ``section.key=value`` each.
        budget: how long to train.
        seeds: runs of each experiment, with the seeds 0, 1, ...

    Raises:
        OptionError: a name, setting or the budget is unknown, or there is no seed.
    """
    if seeds < 1:
        raise OptionError(f"seeds: expected at least 1, got {seeds}.")
    chosen = [choose(name, assignments, budget=budget) for name in names]
    return [Cell(experiment, seed) for seed in range(seeds) for experiment in chosen]


def finished_record(cell: Cell, results: Path, *, digits: str | None = None) -> Record | None:
    """The record of a cell that has run with the settings it has now, wherever the work was done.

    A record of other settings (an older catalogue's) is none of this cell.

    Args:
        cell: the run.
        results: folder of all records.
        digits: digest of the digits that it must be of; nothing leaves them unasked.

    Raises:
        DataError: the file is damaged.
    """
    path = results / f"{cell.place}.json"
    if not path.is_file():
        return None
    record = read_record(path)
    same_digits = digits is None or _digits(record) == digits
    return record if same_digits and _same_settings(record, cell) else None


def store_record(record: Record, results: Path) -> Path:
    """Put a record into the folder of all records; one of other settings or digits moves aside, with its own label.

    Returns:
        The file.
    """
    path = results / record.file
    if path.is_file():
        with contextlib.suppress(DataError):  # a damaged file is replaced
            _set_aside(read_record(path), record, results)
    return write_record(record, path)


def _set_aside(old: Record, new: Record, results: Path) -> None:
    other_digits = _digits(old) != _digits(new)
    if other_digits or _settings(old.config) != _settings(new.config) or old.embedding != new.embedding:
        described = _described(old) | ({"digits": _digits(old)} if other_digits else {})
        aside = replace(old, label=custom_label(described))
        write_record(aside, results / aside.file)


def _described(record: Record) -> dict[str, Any]:
    return record.config | ({"embedding": record.embedding} if record.embedding else {})


def _digits(record: Record) -> str:
    return known_digits(record.digits, record.config)


def _same_settings(record: Record, cell: Cell) -> bool:
    config = cell.experiment.config
    # A record of the first version does not say what its embedding was: it counts.
    alike = not record.embedding or _settings(record.embedding) == _settings(embedding_settings(config))
    return alike and _settings(record.config) == _anywhere(config)


def _settings(values: Mapping[str, Any]) -> ExperimentConfig | None:
    """Settings of a record as this version understands them; nothing if it does not."""
    try:
        return _anywhere(ExperimentConfig.read(values))
    except OptionError:
        return None


def _anywhere(config: ExperimentConfig) -> ExperimentConfig:
    """The settings without the device: on a GPU it is the same experiment."""
    return replace(config, training=replace(config.training, device="auto"))


def records_of(experiment: Experiment, results: Path) -> list[Record]:
    """All records of an experiment with its present settings, by seed."""
    folder = results / experiment.name
    pattern = re.compile(rf"{re.escape(experiment.label)}-seed(0|[1-9]\d*)\.json", re.ASCII)
    names = (path.name for path in folder.glob(f"{experiment.label}-seed*.json"))  # copies of records are among them
    seeds = sorted(int(match[1]) for name in names if (match := pattern.fullmatch(name)))
    found = (finished_record(Cell(experiment, seed), results) for seed in seeds)
    return [record for record in found if record is not None]
