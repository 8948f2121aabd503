"""Cells in processes of their own."""

import os
import signal
import subprocess
import sys
import time

import pytest

from unwarp.errors import TrainingError
from unwarp.experiments import cell_pool
from unwarp.experiments.cell_pool import CellOutcome, run_cells
from unwarp.experiments.cell_run import Folders
from unwarp.experiments.cells import cells
from unwarp.training.fit import Terminated


@pytest.fixture
def three():
    return cells(["mnist-r/fcn"], budget="quick", seeds=3)


def killed_with_seed_0(cell, folders):
    if cell.seed == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return CellOutcome(cell, "trained")


@pytest.mark.timeout(120)  # three processes start, each of which imports all of the trainer
def test_a_cell_whose_process_is_killed_fails_and_the_others_run(three, tmp_path, monkeypatch):
    monkeypatch.setattr(cell_pool, "_attempt_in_worker", killed_with_seed_0)
    outcomes = {outcome.cell.seed: outcome.state for outcome in run_cells(three, Folders(tmp_path, tmp_path), jobs=2)}
    assert outcomes[1] == outcomes[2] == "trained"
    with pytest.raises(TrainingError, match="signal 9, .*memory.*--jobs"):
        raise outcomes[0]


def test_a_request_to_end_is_a_failure_in_a_worker_and_an_end_in_one_process(three, tmp_path, monkeypatch):
    def ends(*_, **__):
        raise Terminated

    monkeypatch.setattr(cell_pool, "run_cell", ends)
    folders = Folders(tmp_path, tmp_path)
    assert isinstance(cell_pool._attempt_in_worker(three[0], folders).state, TrainingError)
    with pytest.raises(Terminated):
        next(run_cells(three, folders))


INTERRUPTED = """
import signal
import time
from pathlib import Path
from unwarp.experiments import cell_pool
from unwarp.experiments.cell_run import Folders
from unwarp.experiments.cells import cells

def attempt(cell, folders):
    Path(f"started-{cell.seed}").touch()
    time.sleep(600)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a shell started the tests behind it
    cell_pool._attempt_in_worker = attempt
    list(cell_pool.run_cells(cells(["mnist-r/fcn"], budget="quick", seeds=4), Folders(Path(), Path()), jobs=2))
"""


@pytest.mark.timeout(300)  # as above, and in a session of their own, which a busy machine may hold back
def test_ctrl_c_ends_the_workers_and_starts_no_other_cell(tmp_path):
    (tmp_path / "script.py").write_text(INTERRUPTED)
    command = [sys.executable, "script.py"]
    with subprocess.Popen(command, cwd=tmp_path, start_new_session=True, stderr=subprocess.PIPE, text=True) as process:
        try:
            while len(list(tmp_path.glob("started-*"))) < 2 and process.poll() is None:
                time.sleep(0.05)
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert said.count("Traceback") == 1  # of the script itself
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert sorted(path.name for path in tmp_path.glob("started-*")) == ["started-0", "started-1"]
