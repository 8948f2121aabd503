"""Ctrl-C and SIGTERM leave with the codes that shells give them, and with the way to go on."""

import pytest

from support.picture_folders import write_digit_folder
from unwarp.training.fit import Terminated

STOPS = [(KeyboardInterrupt, 130, "Interrupted."), (Terminated, 143, "Terminated.")]


def stopped(stop):
    def run(*_, **__):
        raise stop

    return run


@pytest.mark.parametrize(("stop", "code", "said"), STOPS)
def test_train(stop, code, said, train, monkeypatch):
    monkeypatch.setattr("unwarp.experiments.run.run", stopped(stop))
    left = train("mnist-r/cnn")
    assert left.code == code
    assert f"{said} The same command with --resume goes on after the last finished epoch." in left.out


@pytest.mark.parametrize(("stop", "code", "said"), STOPS)
def test_train_on_a_folder(stop, code, said, unwarp, tmp_path, monkeypatch):
    monkeypatch.setattr("unwarp.experiments.folder_run.run_folder", stopped(stop))
    left = unwarp("train", f"folder/{write_digit_folder(tmp_path / 'digits')}")
    assert left.code == code
    assert f"{said} The same command with --resume goes on" in left.out


@pytest.mark.parametrize(("stop", "code", "said"), STOPS)
def test_table(stop, code, said, unwarp, monkeypatch):
    monkeypatch.setattr("unwarp.experiments.cell_pool.run_cell", stopped(stop))
    left = unwarp("table", "1", "--only", "mnist-r/cnn")
    assert left.code == code
    assert f"{said} The same command goes on after the last finished epoch." in left.out
