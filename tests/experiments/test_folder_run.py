"""Runs on a folder of pictures: every setting counts, and no picture is trained on and tested on."""

import fcntl
import shutil

import pytest

from support.picture_folders import write_digit_folder
from unwarp.errors import CheckpointError, DataError, OptionError
from unwarp.experiments.folder_config import FolderConfig
from unwarp.experiments.folder_run import held_out_pictures, run_folder
from unwarp.training.checkpoints import read_checkpoint

QUICK = ["data.height=16", "data.channels=1", "model.filters=2", "data.batch_size=8", "training.epochs=1"]


def train(root, out, *settings, **options):
    return run_folder(root, FolderConfig.read({}, [*QUICK, *settings]), out, progress=False, **options)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return write_digit_folder(tmp_path_factory.mktemp("pictures") / "digits", each=8)


@pytest.fixture(scope="module")
def plain(digits, tmp_path_factory):
    return train(digits, tmp_path_factory.mktemp("run"))


def test_labels_are_smoothed_and_penalties_count(digits, plain, tmp_path):
    smooth = train(digits, tmp_path / "smooth", "training.label_smoothing=0.9").record.history[-1]
    assert smooth["train_loss"] != plain.record.history[-1]["train_loss"]
    wide = train(digits, tmp_path / "wide", "training.identity_penalty=5.0").record.history[-1]
    assert wide["train_penalty"] >= 0
    with pytest.raises(OptionError, match="at least one spatial transformer inside"):
        train(digits, tmp_path / "none", "training.identity_penalty=5.0", "model.transform=none")


def changed(digits, folder, how):
    shutil.copytree(digits, folder)
    first = sorted((folder / "1").iterdir())[0]
    if how == "added":
        shutil.copy(first, folder / "1" / "new.png")
    elif how == "renamed":
        first.rename(folder / "1" / "other.png")
    else:
        first.write_bytes((folder / "4" / first.name).read_bytes())
    return folder


@pytest.mark.parametrize("how", ["added", "renamed", "replaced"])
def test_other_pictures_are_never_tested_on_nor_trained_on(digits, plain, tmp_path, how):
    about = dict(read_checkpoint(plain.checkpoint).about)
    held_out_pictures(about)
    other = changed(digits, tmp_path / "digits", how)
    with pytest.raises(DataError, match="expected the pictures of the training"):
        held_out_pictures({**about, "root": str(other)})
    out = tmp_path / "run"
    shutil.copytree(plain.checkpoint.parent, out / "checkpoints")
    with pytest.raises(DataError, match="expected the pictures of the training"):
        train(other, out, "training.epochs=2", resume=True)


def test_the_same_pictures_elsewhere_are_the_same(digits, plain, tmp_path):
    moved = tmp_path / "digits"
    shutil.copytree(digits, moved)
    held_out_pictures({**read_checkpoint(plain.checkpoint).about, "root": str(moved)})


def test_an_out_that_another_process_trains_in_is_refused(digits, tmp_path):
    with (tmp_path / ".claim").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # of another opening of the file, so that it counts as another's
        with pytest.raises(OptionError, match=r"out: .* no other process .*--out"):
            train(digits, tmp_path)


def test_a_run_cannot_become_shorter(digits, tmp_path):
    train(digits, tmp_path, "training.epochs=2")
    with pytest.raises(OptionError, match="epochs: expected at least the 2 that"):
        train(digits, tmp_path, resume=True)
    with pytest.raises(OptionError, match="expected one of the two, got both"):
        train(digits, tmp_path, "training.epochs=2", resume=True, overwrite=True)
    with pytest.raises(CheckpointError, match="of another run"):
        train(digits, tmp_path, "training.epochs=2", "training.lr=0.5", resume=True)


def test_a_class_without_readable_pictures_says_why(digits, tmp_path):
    folder = tmp_path / "digits"
    shutil.copytree(digits, folder)
    (folder / "broken").mkdir()
    for number in range(4):
        (folder / "broken" / f"{number}.png").write_text("no picture")
    with pytest.raises(DataError, match=r"broken: expected at least 3 .* Skipped: .*broken/0.png: unreadable"):
        train(folder, tmp_path / "run")
