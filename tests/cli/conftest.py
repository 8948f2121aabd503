import sys
from typing import NamedTuple

import pytest

from support.small_mnist import write_mnist_folder
from unwarp.cli import main


class Result(NamedTuple):
    """What a command left: exit code and texts, with their line breaks undone."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def mnist_folder(tmp_path_factory):
    return write_mnist_folder(tmp_path_factory.mktemp("mnist"))


@pytest.fixture
def unwarp(monkeypatch, capsys, tmp_path):
    """Run the command line in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["unwarp", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capsys.readouterr()
        return Result(left.value.code, " ".join(out.split()), " ".join(err.split()))

    return run


@pytest.fixture
def train(unwarp, mnist_folder):
    """`unwarp train` with settings that make it take a second."""

    def run(name, *arguments):
        small = ["data.validation=32", "data.batch_size=32", "model.width=4", "training.precision=float32"]
        given = {str(argument).partition("=")[0] for argument in arguments}
        settings = [setting for setting in [*small, "training.epochs=1"] if setting.partition("=")[0] not in given]
        data = [] if "--data-dir" in given else ["--data-dir", mnist_folder]
        return unwarp("train", name, *settings, *arguments, *data, "--quiet")

    return run
