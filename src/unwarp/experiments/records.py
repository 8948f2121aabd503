"""The record of a run: one JSON file, from which tables are made."""

import json
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from pathlib import Path
from types import UnionType
from typing import Any

from unwarp._whole_file import write_whole
from unwarp.errors import DataError

__all__ = ["RECORD", "Record", "read_record", "write_record"]

RECORD = "record.json"
"""Name of a run's record in the folder of the run."""


_NUMBER = int | float
_KINDS: dict[str, type | UnionType] = {
    **dict.fromkeys(("name", "label", "finished"), str),
    **dict.fromkeys(("test_error", "validation_error", "seconds"), _NUMBER),
    **dict.fromkeys(("seed", "parameters"), int),
    **dict.fromkeys(("precision", "config", "machine", "versions", "figures", "embedding"), dict),
    **dict.fromkeys(("commit", "digits"), str | None),
    "history": list,
    "test_examples": int | None,
}


@dataclass(frozen=True)
class Record:
    """One training run.

    Attributes:
        name: of the experiment.
        label: the budget, or for other settings than the catalogue's ``custom-`` and a digest of them.
        seed: of weights, order and distortions.
        test_error: percent of the test digits, with the weights of the best epoch.
        validation_error: percent of the validation digits in that epoch.
        parameters: trained numbers in the network.
        seconds: spent in the training epochs.
        finished: day and time (UTC).
        commit: of unwarp.
        precision: arithmetic the network ran in.
        config: every setting.
        machine: where it ran.
        versions: of what it ran with.
        history: one row of logged figures an epoch.
        test_examples: how many test images there were; records of the first version do not say it.
        figures: what an experiment has to say besides, by name.
        embedding: every setting of the classifier by which a co-localiser compares crops; records of the first version
            do not say it.
        digits: digest of the digits for training and testing; records of the first versions do not say it, and are of
            the published MNIST or the packaged digits.
    """

    name: str
    label: str
    seed: int
    test_error: float
    validation_error: float
    parameters: int
    seconds: float
    finished: str
    commit: str | None
    precision: dict[str, Any]
    config: dict[str, Any]
    machine: dict[str, Any]
    versions: dict[str, str]
    history: list[dict[str, float]]
    test_examples: int | None = None
    figures: dict[str, float] = field(default_factory=dict[str, float])
    embedding: dict[str, Any] = field(default_factory=dict[str, Any])
    digits: str | None = None

    @property
    def file(self) -> Path:
        """Where it lies in a folder of records."""
        return Path(self.name, f"{self.label}-seed{self.seed}.json")


def write_record(record: Record, path: Path) -> Path:
    """Write a record, whole or not at all: a run that is killed leaves no half file. Each epoch has a line."""
    values = asdict(record)
    epochs = ",\n".join(f"  {json.dumps(row)}" for row in values.pop("history"))
    head = json.dumps(values, indent=1).removesuffix("\n}")
    return write_whole(path, f'{head},\n "history": [\n{epochs}\n ]\n}}\n'.encode())


def read_record(path: Path) -> Record:
    """Read a record.

    Raises:
        DataError: the file is missing or no record.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        known = {each.name: values[each.name] for each in fields(Record) if _required(each) or each.name in values}
        _check(known)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"record: expected a file that a training run wrote, got {path} ({error!r}). "
            "Delete the file; the run's command makes it again."
        ) from error
    return Record(**known)


def _check(values: dict[str, Any]) -> None:
    """Raise a TypeError where a value is of another type than its field."""
    for name, kind in _KINDS.items():
        if name in values and not isinstance(values[name], kind):
            raise TypeError(f"{name} is {values[name]!r:.60}")
    for name, parts in (("config", values["config"].values()), ("history", values["history"])):
        if not all(isinstance(part, dict) for part in parts):
            raise TypeError(f"{name} has parts without names")


def _required(each: Field[Any]) -> bool:
    return each.default is MISSING and each.default_factory is MISSING
