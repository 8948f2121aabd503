import errno
import fcntl
import subprocess
import sys
import threading

import pytest
from lightning.pytorch.utilities import rank_zero_only

from unwarp.errors import OptionError
from unwarp.experiments.claim import claimed, working_alone

HOLDER = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that works in the folder."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / ".claim")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_folder_that_another_process_works_in_is_refused(holder, tmp_path):
    with claimed(tmp_path) as mine:
        assert not mine
    with pytest.raises(OptionError, match=r"out: .* no other process .*--out"), working_alone(tmp_path):
        pytest.fail("two processes work in the folder")


def test_a_claim_ends_with_its_process(holder, tmp_path):
    holder.kill()
    holder.wait()
    with claimed(tmp_path) as mine:
        assert mine


def test_of_processes_that_train_together_the_first_one_claims(holder, tmp_path, monkeypatch):
    monkeypatch.setattr(rank_zero_only, "rank", 1, raising=False)
    with working_alone(tmp_path):
        pass


def test_a_claim_within_a_claim_is_granted_and_leaves_the_outer_one(tmp_path):
    with claimed(tmp_path / "run"):
        with claimed(tmp_path / "here" / ".." / "run") as mine, claimed(tmp_path / "run" / "part") as of_part:
            assert mine
            assert of_part
        assert in_another_thread(tmp_path / "run") is False
    assert in_another_thread(tmp_path / "run") is True


def in_another_thread(folder):
    given = []

    def ask():
        with claimed(folder) as mine:
            given.append(mine)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    return given[0]


def test_a_file_system_without_locks_is_worked_in(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with claimed(tmp_path) as mine:
        assert mine
