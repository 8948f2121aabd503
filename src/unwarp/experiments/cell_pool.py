"""Running the cells of a table, one after the other or several at a time."""

from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import NamedTuple

import torch

from unwarp.errors import UnwarpError
from unwarp.experiments.cell_run import Folders, State, run_cell
from unwarp.experiments.cells import Cell
from unwarp.experiments.worker_process import start_worker

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
    """Run cells; one that fails does not stop the others.

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
        return
    share = max(1, torch.get_num_threads() // jobs)
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=start_worker, initargs=(share,))
    try:
        waiting = [pool.submit(_attempt, cell, folders, False) for cell in cells]
        yield from (future.result() for future in as_completed(waiting))
    finally:
        pool.shutdown(cancel_futures=True)


def _attempt(cell: Cell, folders: Folders, progress: bool) -> CellOutcome:
    try:
        return CellOutcome(cell, run_cell(cell, folders, progress=progress))
    except UnwarpError as error:
        return CellOutcome(cell, error)
