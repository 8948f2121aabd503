"""The commands besides `train`."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import unwarp as package
from unwarp.data import mnist_subset

NAME = "mnist-r/st-cnn-affine"


@pytest.fixture
def checkpoint(train):
    assert train(NAME).code == 0
    (path,) = Path("runs").rglob("best.ckpt")
    return path


def test_evaluate_prints_the_recorded_error(unwarp, checkpoint, mnist_folder):
    recorded = re.search(r'"test_error": ([\d.]+)', (checkpoint.parents[1] / "record.json").read_text())[1]
    result = unwarp("evaluate", checkpoint, "--data-dir", mnist_folder)
    assert result.code == 0
    assert f"{NAME}, epoch 1: {float(recorded):.2f} % of 40 test digits wrong" in result.out


def test_figure_goes_into_the_runs_folder_or_where_asked(unwarp, checkpoint, mnist_folder):
    assert unwarp("figure", checkpoint, "--data-dir", mnist_folder, "--count", 3).code == 0
    assert (checkpoint.parents[1] / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert unwarp("figure", checkpoint, "--data-dir", mnist_folder, "--out", "new/here.png").code == 0
    assert Path("new/here.png").is_file()


def test_data_verify(unwarp, mnist_folder):
    result = unwarp("data", "verify", "--data-dir", mnist_folder)
    assert result.code == 0
    assert "train: 96 digits, whole; any digits in this format pass test: 40 digits, whole" in result.out
    assert "published" not in result.out


@pytest.mark.parametrize("distortion", ["r", "rts", "p", "e", "tc"])
def test_data_show(unwarp, distortion):
    assert unwarp("data", "show", distortion, "--count", 2).code == 0
    assert Path(f"{distortion}.png").read_bytes().startswith(b"\x89PNG")


def test_data_show_refuses_unknown_distortions(unwarp):
    result = unwarp("data", "show", "rst")
    assert result.code == 2
    assert "Did you mean 'rts'" in result.err


def test_info_shows_versions_backends_and_reasons(unwarp, monkeypatch):
    monkeypatch.setattr(package, "available_backends", lambda: {"here": None, "gone": "no compiler"})
    result = unwarp("info")
    assert result.code == 0
    assert "backend here │ active" in result.out
    assert "backend gone │ missing: no compiler" in result.out
    assert torch.__version__ in result.out


def test_demo_prints_table_and_report(unwarp, monkeypatch):
    digits = {split: mnist_subset.subset(split)[:96] for split in ("train", "test")}
    monkeypatch.setattr(mnist_subset, "subset", digits.__getitem__)
    monkeypatch.setattr(
        "unwarp.experiments.demo.train_demo.__kwdefaults__",
        {
            "settings": ["data.source=packaged", "data.validation=32", "model.width=4", "training.epochs=1"],
            "seed": 0,
            "progress": True,
        },
    )
    result = unwarp("demo", "--quiet")
    assert result.code == 0
    assert re.search(r"CNN │ [\d.]+ %", result.out)
    assert re.search(r"ST-CNN \(affine\) │ [\d.]+ %", result.out)
    assert {path.name for path in Path("demo").iterdir()} == {"report.html", "figure.png", "curves.png", "runs"}
    assert str(Path("demo/report.html").absolute()) in result.out


def test_help_names_every_command(unwarp):
    result = unwarp("--help")
    assert result.code == 0
    for command in ("train", "evaluate", "figure", "data", "demo", "info"):
        assert command in result.out


def test_missing_extra_is_one_message():
    code = "import sys; sys.modules['typer'] = None; from unwarp.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: typer: this needs a package that is not installed.")
    assert "-e '.[train]'" in done.stderr
