"""Running one cell of a table so that it may be killed at any moment and taken up again."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from unwarp.errors import CheckpointError
from unwarp.experiments.cells import Cell, finished_record, store_record
from unwarp.experiments.run import run
from unwarp.experiments.trained import refuse_other_run

__all__ = ["Folders", "State", "run_cell"]

State = Literal["trained", "resumed", "done before", "running elsewhere"]


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

    A checkpoint that is damaged, or of other settings, counts for nothing. Two processes never train the same cell.

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
    with _claimed(folder) as mine:
        if not mine:
            return "running elsewhere"
        if finished_record(cell, folders.results) is not None:
            return "done before"
        resumable = _resumable(cell, folder)
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
    return "resumed" if resumable else "trained"


def _resumable(cell: Cell, folder: Path) -> bool:
    """Whether the folder's last checkpoint is one of this very run."""
    last = folder / "checkpoints" / "last.ckpt"
    try:
        refuse_other_run(last, cell.experiment, cell.seed, may_differ=("training.device",))
    except CheckpointError:
        return False
    return True


@contextmanager
def _claimed(folder: Path) -> Generator[bool, None, None]:
    """Whether this process alone may work in a folder; the claim ends with the process, however it ends."""
    folder.mkdir(parents=True, exist_ok=True)
    if sys.platform == "win32":  # no such locks there: one command at a time
        yield True
        return
    import fcntl

    with (folder / ".claim").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
