import fcntl
import gzip
import json
import shutil

import pytest
import torch

from unwarp.data import mnist
from unwarp.errors import CheckpointError, OptionError
from unwarp.experiments.build import build_test_batches
from unwarp.experiments.evaluation import error_rate
from unwarp.experiments.experiment import choose
from unwarp.experiments.records import read_record
from unwarp.experiments.run import run
from unwarp.experiments.trained import load_trained
from unwarp.training.devices import Devices

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


def test_a_folder_that_another_process_trains_in_is_refused(tmp_path, mnist_folder, small):
    with (tmp_path / ".claim").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # of another opening of the file, so that it counts as another's
        with pytest.raises(OptionError, match=r"out: .* no other process .*--out"):
            run(choose(NAME, small), tmp_path, data_dir=mnist_folder, resume=True, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == [".claim"]


def test_more_processes_than_batches_are_refused(tmp_path, mnist_folder, small):
    large = choose(NAME, [*small, "data.batch_size=6000"])
    with pytest.raises(OptionError, match="devices: expected at most 1 processes"):
        run(large, tmp_path, data_dir=mnist_folder, progress=False, devices=Devices(2))


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


def test_resuming_with_another_number_of_processes_is_refused(finished, mnist_folder, small):
    with pytest.raises(CheckpointError, match="processes: expected 2, got 1"):
        run(choose(NAME, small), finished[1], seed=1, data_dir=mnist_folder, resume=True, devices=Devices(2))


def test_a_run_that_torchrun_has_started_twice_is_refused_before_it_writes(tmp_path, mnist_folder, small, monkeypatch):
    for name, value in {"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(OptionError, match="devices, num_nodes: expected as many processes as torchrun"):
        run(choose(NAME, small), tmp_path / "run", data_dir=mnist_folder, progress=False)
    assert not (tmp_path / "run").exists()


def test_overwriting_takes_the_old_record_away_at_once(finished, tmp_path, mnist_folder, small, monkeypatch):
    folder = tmp_path / "run"
    shutil.copytree(finished[1], folder)
    monkeypatch.setattr("unwarp.experiments.train_and_test.fit", lambda *_arguments, **_options: pytest.fail("killed"))
    with pytest.raises(pytest.fail.Exception, match="killed"):
        run(choose(NAME, small), folder, seed=1, data_dir=mnist_folder, overwrite=True, progress=False)
    assert not (folder / "record.json").exists()
    assert not (folder / "checkpoints").exists()


def test_resuming_with_other_digits_is_refused(finished, tmp_path, mnist_folder, small):
    other = tmp_path / "digits"
    shutil.copytree(mnist_folder, other)
    file = other / "train-labels-idx1-ubyte.gz"
    labels = bytearray(gzip.decompress(file.read_bytes()))
    labels[-1] = (labels[-1] + 1) % 10
    file.write_bytes(gzip.compress(labels))
    with pytest.raises(CheckpointError, match="digits: expected"):
        run(choose(NAME, small), finished[1], seed=1, data_dir=other, resume=True, progress=False)
    assert finished[0].record.digits == mnist.digest(mnist_folder) != mnist.digest(other)


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


@pytest.mark.parametrize(("width", "kept"), [(4, False), (3, True)])
def test_overwriting_replaces_an_embedding_that_does_not_fit(tmp_path, mnist_folder, small, monkeypatch, width, kept):
    brief = [*small, "training.epochs=1"]

    def embedding(config):
        if config.model.network != "co-localiser":
            return None
        return choose("mnist-crops/cnn", [*brief, f"model.width={config.model.width}"])

    monkeypatch.setattr("unwarp.experiments.run.embedding_of", embedding)
    monkeypatch.setattr(
        "unwarp.experiments.trained.embedding_settings", lambda config: embedding(config).config.values()
    )
    options = {"data_dir": mnist_folder, "progress": False}
    run(choose("mnist-crops/cnn", [*brief, "model.width=3"]), tmp_path / "embedding", **options)
    began = (tmp_path / "embedding" / "record.json").read_text()
    outer = choose("mnist-t84/co-localiser", [*brief, f"model.width={width}"])
    if not kept:
        with pytest.raises(CheckpointError, match=r"model\.width"):
            run(outer, tmp_path, **options)
    run(outer, tmp_path, overwrite=True, **options)
    ended = (tmp_path / "embedding" / "record.json").read_text()
    assert json.loads(ended)["config"]["model"]["width"] == width
    assert (json.loads(ended)["history"] == json.loads(began)["history"]) == kept
