"""Running the cells of a table, one after the other or several at a time."""

from collections.abc import Generator, Sequence
from multiprocessing.connection import wait
from typing import Any, NamedTuple

import torch

from unwarp.errors import TrainingError, UnwarpError
from unwarp.experiments.cell_run import Folders, State, run_cell
from unwarp.experiments.cells import Cell
from unwarp.experiments.worker_process import Worker
from unwarp.training.fit import Terminated

__all__ = ["CellOutcome", "run_cells"]


class CellOutcome(NamedTuple):
    """What became of a cell.

    Attributes:
        cell: which one.
        state: what was done, or the error that it failed with.
    """

    cell: Cell
    state: State | UnwarpError


def run_cells(
    cells: Sequence[Cell], folders: Folders, *, jobs: int = 1, progress: bool = True
) -> Generator[CellOutcome, None, None]:
    """Run cells; one that fails, or whose process is killed, does not stop the others.

    Args:
        cells: in the order to start them.
        folders: where things lie.
        jobs: how many run at a time, each in a process of its own with its share of the cores.
        progress: draw a progress bar, with one job.

    Yields:
        Each cell as it ends.
    """
    if jobs == 1:
        yield from (_attempt(cell, folders, progress) for cell in cells)
    else:
        yield from _run_in_workers(cells, folders, jobs)


def _run_in_workers(cells: Sequence[Cell], folders: Folders, jobs: int) -> Generator[CellOutcome, None, None]:
    """Hand each worker one cell at a time.

    When this is left early, the workers are killed: what they have trained is in the last checkpoint.
    """
    threads = max(1, torch.get_num_threads() // jobs)
    waiting = list(reversed(cells))
    idle: list[Worker] = []
    working: dict[Any, tuple[Worker, Cell]] = {}
    try:
        while waiting or working:
            while waiting and len(working) < jobs:
                worker, cell = idle.pop() if idle else Worker(threads), waiting.pop()
                working[worker.connection] = worker, cell
                worker.hand(_attempt_in_worker, cell, folders)
            for connection in wait(list(working)):
                worker, cell = working.pop(connection)
                idle.append(worker)
                outcome = worker.answer()
                if outcome is None:
                    idle.remove(worker)
                    outcome = CellOutcome(cell, _lost(worker.exit_code()))
                yield outcome
    finally:
        for worker in (*idle, *(worker for worker, _ in working.values())):
            worker.kill()


def _lost(code: int) -> TrainingError:
    """What to say of a process that ended with a code; below zero it is that of a signal."""
    how = f"one killed by signal {-code}, perhaps for want of memory" if code < 0 else f"one that left with {code}"
    return TrainingError(
        f"process: expected it to finish the cell, got {how}. The same command goes on after the last finished epoch; "
        "with fewer --jobs it needs less memory."
    )


def _attempt_in_worker(cell: Cell, folders: Folders) -> CellOutcome:
    try:
        return _attempt(cell, folders, progress=False)
    except Terminated:
        return CellOutcome(cell, _lost(-15))


def _attempt(cell: Cell, folders: Folders, progress: bool) -> CellOutcome:
    try:
        return CellOutcome(cell, run_cell(cell, folders, progress=progress))
    except UnwarpError as error:
        return CellOutcome(cell, error)
