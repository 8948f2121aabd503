import json

import pytest
import torch

from unwarp.errors import CheckpointError, OptionError
from unwarp.experiments.build import build_test_batches
from unwarp.experiments.evaluation import error_rate
from unwarp.experiments.experiment import choose
from unwarp.experiments.records import read_record
from unwarp.experiments.run import run
from unwarp.experiments.trained import load_trained

NAME = "mnist-r/st-cnn-affine"


@pytest.fixture(scope="module")
def finished(tmp_path_factory, mnist_folder, small):
    """A run, and the folder it is in."""
    folder = tmp_path_factory.mktemp("run")
    return run(choose(NAME, small), folder, seed=1, data_dir=mnist_folder, progress=False), folder


def test_record_says_what_ran(finished, small):
    record = finished[0].record
    assert (record.name, record.seed, record.label) == (NAME, 1, choose(NAME, small).label)
    assert record.config == choose(NAME, small).config.values()
    assert record.parameters == sum(p.numel() for p in finished[0].model.parameters())
    assert record.precision == {"dtype": "float32", "channels_last": False}
    assert record.validation_error == min(row["val_error"] for row in record.history)
    assert [row["epoch"] for row in record.history] == [1, 2]
    assert read_record(finished[0].record_path) == record
    assert json.loads(finished[0].record_path.read_text())["machine"]["cores"] >= 1


def test_checkpoint_gives_the_recorded_error_again(finished, mnist_folder):
    trained = load_trained(finished[0].checkpoint)
    batches = build_test_batches(trained.config.data, data_dir=mnist_folder)
    assert error_rate(trained.model, batches) == pytest.approx(finished[0].record.test_error, abs=1e-3)
    assert (trained.name, trained.seed, trained.model.training) == (NAME, 1, False)


def test_finished_model_has_the_best_weights(finished):
    best = load_trained(finished[0].checkpoint).model.state_dict()
    assert all(torch.equal(tensor, best[name]) for name, tensor in finished[0].model.state_dict().items())


def test_folder_with_a_run_is_not_overwritten_unasked(finished, mnist_folder, small):
    with pytest.raises(OptionError, match="--resume"):
        run(choose(NAME, small), finished[1], seed=1, data_dir=mnist_folder, progress=False)


def test_resuming_a_finished_run_gives_its_record_again(finished, mnist_folder, small):
    again = run(choose(NAME, small), finished[1], seed=1, data_dir=mnist_folder, resume=True, progress=False)
    assert again.record.history == finished[0].record.history
    assert again.record.test_error == finished[0].record.test_error


@pytest.mark.parametrize(
    ("name", "seed", "changed", "message"),
    [
        (NAME, 2, [], "seed: expected 2, got 1"),
        ("mnist-p/st-cnn-affine", 1, [], "data.distortion: expected 'p', got 'r'"),
        (NAME, 1, ["training.lr=0.5"], "training.lr: expected 0.5, got 0.002"),
    ],
)
def test_resuming_another_run_is_refused(finished, mnist_folder, small, name, seed, changed, message):
    with pytest.raises(CheckpointError) as raised:
        run(choose(name, [*small, *changed]), finished[1], seed=seed, data_dir=mnist_folder, resume=True)
    assert message in str(raised.value)


def test_overwriting_starts_anew(finished, tmp_path, mnist_folder, small):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").write_bytes(b"of an older version")
    replaced = run(choose(NAME, small), tmp_path, seed=1, data_dir=mnist_folder, overwrite=True, progress=False)
    assert replaced.record.test_error == finished[0].record.test_error


def test_settings_of_another_version_are_refused(finished, tmp_path):
    content = torch.load(finished[0].checkpoint, weights_only=True)
    content["unwarp"]["config"]["model"]["colour"] = "red"
    torch.save(content, tmp_path / "new.ckpt")
    with pytest.raises(CheckpointError, match=r"model\.colour.*version of unwarp that wrote it"):
        load_trained(tmp_path / "new.ckpt")


def test_weights_that_do_not_fit_the_settings_are_refused(finished, tmp_path):
    content = torch.load(finished[0].checkpoint, weights_only=True)
    content["unwarp"]["config"]["model"]["width"] = 5
    torch.save(content, tmp_path / "mixed.ckpt")
    with pytest.raises(CheckpointError, match="holds another model"):
        load_trained(tmp_path / "mixed.ckpt")
