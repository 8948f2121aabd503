"""Running one cell of a table so that it may be killed at any moment and taken up again."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from unwarp.errors import CheckpointError, DataError
from unwarp.experiments.cells import Cell, finished_record, store_record
from unwarp.experiments.claim import claimed
from unwarp.experiments.digits import digits_of
from unwarp.experiments.run import run
from unwarp.experiments.trained import refuse_other_run

__all__ = ["Folders", "State", "run_cell"]

State = Literal["trained", "resumed", "damaged record replaced", "done before", "running elsewhere"]


@dataclass(frozen=True)
class Folders:
    """Where things lie.

    Attributes:
        runs: of checkpoints and logs.
        results: of all records.
        data: of the four MNIST files; nothing downloads them once.
    """

    runs: Path
    results: Path
    data: Path | None = None


def run_cell(cell: Cell, folders: Folders, *, progress: bool = True) -> State:
    """Run a cell unless it has a record, from its last checkpoint if it has one.

    A record or checkpoint that is damaged, or of other settings or digits, counts for nothing. Two processes never
    train the same cell.

    Args:
        cell: what to run.
        folders: where things lie.
        progress: draw a progress bar.

    Returns:
        What became of it.

    Raises:
        TrainingError, DataError: as `unwarp.experiments.run.run`.
    """
    folder = folders.runs / cell.place
    with claimed(folder) as mine:
        if not mine:
            return "running elsewhere"
        digits = digits_of(cell.experiment.config.data, folders.data)
        damaged = False
        try:
            if finished_record(cell, folders.results, digits=digits) is not None:
                return "done before"
        except DataError:
            damaged = True
        resumable = _resumable(cell, folder, digits)
        finished = run(
            cell.experiment,
            folder,
            seed=cell.seed,
            data_dir=folders.data,
            resume=resumable,
            overwrite=not resumable,
            progress=progress,
        )
        store_record(finished.record, folders.results)
    if damaged:
        return "damaged record replaced"
    return "resumed" if resumable else "trained"


def _resumable(cell: Cell, folder: Path, digits: str) -> bool:
    """Whether the folder's last checkpoint is one of this very run."""
    last = folder / "checkpoints" / "last.ckpt"
    try:
        refuse_other_run(last, cell.experiment, cell.seed, digits=digits, may_differ=("training.device",))
    except CheckpointError:
        return False
    return True
