"""`unwarp train folder/ROOT --devices 2`: two processes by the command itself, one record."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.picture_folders import write_digit_folder

SMALL = ["data.height=28", "data.channels=1", "data.batch_size=4", "model.filters=2", "training.epochs=1"]


def train(folder, *arguments):
    command = [sys.executable, str(Path(sys.executable).with_name("unwarp")), "train", f"folder/{folder}", *SMALL]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, "training.precision=float32", "--quiet", *arguments],
        cwd=folder.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(300)
def test_two_processes_train_on_a_folder_and_one_of_them_writes(tmp_path):
    digits = write_digit_folder(tmp_path / "digits")
    finished = train(digits, "--devices", "2", "--out", "run")
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.count("test error") == 1
    record = json.loads((tmp_path / "run/record.json").read_text())
    assert record["label"].endswith("-2processes")
    assert record["machine"]["processes"] == 2
    assert record["test_examples"] == 4
    assert len(list((tmp_path / "run/logs/csv").iterdir())) == 1


def test_more_processes_than_batches_are_refused(unwarp):
    write_digit_folder(Path("digits"))
    result = unwarp("train", "folder/digits", *SMALL, "data.batch_size=16", "--devices", "2", "--quiet")
    assert result.code == 2
    assert "devices: expected at most 1 processes, as many as there are training batches, got 2" in result.err
