"""What a user may get wrong: each gives one message, an exit code and no traceback."""

import errno
import gzip
import shutil
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
import torch
from PIL import Image

from support.small_mnist import write_mnist_folder

NAME = "mnist-r/st-cnn-affine"


def assert_one_error(result, *parts, code):
    assert result.code == code
    assert result.err.startswith("error: ")
    assert result.err.count("error: ") == 1
    assert "Traceback" not in result.err
    for part in parts:
        assert part in result.err


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["mnist-r/st-cnn-afine"], ["none called 'mnist-r/st-cnn-afine'", "Did you mean 'mnist-r/st-cnn-affine'"]),
        ([NAME, "training.epoch=3"], ["training.epoch", "Did you mean 'training.epochs'"]),
        ([NAME, "trainin.epochs=3"], ["Did you mean 'training'"]),
        ([NAME, "training.epochs"], ["expected key=value"]),
        ([NAME, "training.lr=fast"], ["training.lr: expected float, got 'fast'"]),
        ([NAME, "--budget", "huge"], ["budget: expected one of quick, standard, paper"]),
    ],
)
def test_wrong_requests(unwarp, arguments, parts):
    assert_one_error(unwarp("train", *arguments), *parts, code=2)


@pytest.mark.parametrize(
    "arguments", [["tran"], ["train"], ["train", NAME, "--sed", "3"], ["figure", "x", "--count", "0"]]
)
def test_wrong_options_are_explained_by_the_parser(unwarp, arguments):
    result = unwarp(*arguments)
    assert result.code == 2
    assert "Error" in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("command", [["train", NAME], ["demo"], ["data", "show", "r"]])
def test_a_seed_is_a_number_that_torch_takes(unwarp, command):
    result = unwarp(*command, "--seed", 10**23)
    assert result.code == 2
    assert "--seed" in result.err
    assert "Traceback" not in result.err


def test_more_validation_digits_than_there_are(unwarp):
    result = unwarp("train", NAME, "data.source=packaged", "data.validation=6000")
    assert_one_error(result, "data.validation: expected 1 to 5999 of the 6000 training digits, got 6000", code=2)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_what_the_output_cannot_show_is_shown_as_a_number(unwarp, monkeypatch, stream):
    """As with LC_ALL=C, or a file name that is no text."""
    name = "bild-\xe9-\udcff.png"
    Image.new("L", (8, 8)).save("plain.png")
    if stream == "stdout":
        Path("plain.png").rename(name)
    shown = TextIOWrapper(BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, stream, shown)
    result = unwarp("warp", name, "--rotate", "3", "-o", f"out-{name}")
    assert result.code == (0 if stream == "stdout" else 1)
    shown.flush()
    assert b"bild-\\xe9-\\udcff.png" in shown.buffer.getvalue()


def damaged(folder, damage):
    """A copy of MNIST whose training images are damaged."""
    write_mnist_folder(folder)
    path = folder / "train-images-idx3-ubyte.gz"
    damage(path)
    return folder


def cut_packed(path):
    path.write_bytes(path.read_bytes()[:200])


def cut_content(path):
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-1]))


def scramble(path):
    path.write_bytes(gzip.compress(b"\xff" * 5000))


def remove(path):
    path.unlink()


@pytest.mark.parametrize("damage", [cut_packed, cut_content, scramble, remove])
def test_damaged_data(train, tmp_path, damage):
    result = train(NAME, "--data-dir", damaged(tmp_path / "mnist", damage))
    assert_one_error(result, "train-images-idx3-ubyte", code=1)


def test_missing_data_without_a_network(train, unwarp, monkeypatch, tmp_path):
    monkeypatch.setenv("UNWARP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("unwarp.data.mnist.MIRRORS", ("http://127.0.0.1:9/", "http://127.0.0.1:9/again/"))
    assert_one_error(unwarp("train", NAME), "no mirror", "--data-dir", code=1)
    assert_one_error(unwarp("data", "verify"), "--data-dir", code=1)


@pytest.fixture
def checkpoint(train):
    assert train(NAME).code == 0
    (path,) = Path("runs").rglob("last.ckpt")
    return path


@pytest.mark.parametrize("command", ["evaluate", "figure"])
def test_damaged_checkpoints(unwarp, checkpoint, command):
    assert_one_error(unwarp(command, "none.ckpt"), "none.ckpt", "does not exist", code=2)
    content = checkpoint.read_bytes()
    for kept in (0, 1000, len(content) - 10):
        checkpoint.write_bytes(content[:kept])
        assert_one_error(unwarp(command, checkpoint), "truncated", code=2)
    torch.save({"weights": torch.zeros(3)}, checkpoint)
    assert_one_error(unwarp(command, checkpoint), "another program", code=2)
    assert_one_error(unwarp(command, "."), "expected a file", code=2)


def test_resuming_with_another_models_checkpoint(train, checkpoint):
    other = Path("other", "checkpoints", "last.ckpt")
    other.parent.mkdir(parents=True)
    shutil.copy(checkpoint, other)
    result = train("mnist-r/st-cnn-projective", "--resume", "--out", "other")
    assert_one_error(result, "another run", "model.transform: expected 'projective', got 'affine'", code=2)


def test_resuming_with_a_truncated_checkpoint(train, checkpoint):
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    assert_one_error(train(NAME, "--resume"), "truncated", code=2)


def test_figure_of_a_network_without_transformer(train, unwarp, mnist_folder):
    assert train("mnist-r/cnn").code == 0
    (path,) = Path("runs").rglob("best.ckpt")
    assert_one_error(unwarp("figure", path, "--data-dir", mnist_folder), "spatial transformer", code=2)


def test_non_finite_loss(train):
    result = train(NAME, "training.lr=1e30", "training.epochs=3", "training.warmup=0.0")
    assert_one_error(result, "loss: expected a finite value", "theta of 'transformer'", "training.lr", code=1)


def test_disk_full_while_training(train, monkeypatch):
    def fail(*_arguments, **_options):
        raise OSError(errno.ENOSPC, "No space left on device", "last.ckpt")

    monkeypatch.setattr("torch.save", fail)
    assert_one_error(train(NAME), "no space left to write last.ckpt", "--out", code=1)
    assert not list(Path("results").rglob("*.json"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only some systems have a device that is always full")
def test_disk_full_while_drawing(unwarp, checkpoint, mnist_folder):
    result = unwarp("figure", checkpoint, "--data-dir", mnist_folder, "--out", "/dev/full")
    assert_one_error(result, "no space left", code=1)


def test_folder_that_cannot_be_made(train):
    Path("file").write_text("in the way")
    assert_one_error(train(NAME, "--out", "file/run"), "file", code=1)


def test_debug_shows_the_traceback(unwarp, monkeypatch):
    from unwarp.errors import CheckpointError

    with pytest.raises(CheckpointError):
        unwarp("--debug", "evaluate", "none.ckpt")
