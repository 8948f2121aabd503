"""Networks come back from checkpoints and from exported weights, and nothing is run on the way."""

import dataclasses
import json
import pickle
import shutil
from pathlib import Path

import onnxruntime
import pytest
import torch

from support.picture_folders import write_digit_folder
from unwarp.errors import CheckpointError, DataError, OptionError
from unwarp.experiments.exported import ExportedNetwork, export_network
from unwarp.experiments.folder_config import FolderConfig
from unwarp.experiments.folder_run import folder_root, held_out_pictures, run_folder
from unwarp.experiments.network_files import load_network, transformer_of

SMALL = ["data.height=28", "data.channels=1", "model.filters=2", "training.precision=float32", "data.batch_size=8"]


def train(folder, *settings, epochs=1, **options):
    root = folder / "digits"
    if not root.exists():
        write_digit_folder(root, each=14)
    config = FolderConfig.read({}, [*SMALL, f"training.epochs={epochs}", *settings])
    return run_folder(root, config, folder / "run", progress=False, **options)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return train(tmp_path_factory.mktemp("folder"), epochs=2)


def test_a_run_leaves_its_record_and_a_network_that_loads(finished):
    record = json.loads((finished.checkpoint.parents[1] / "record.json").read_text())
    assert record["name"] == "folder/digits"
    assert record["test_examples"] == finished.counts[2] == 4
    assert finished.counts == (20, 4, 4)
    network = load_network(finished.checkpoint)
    images = torch.rand(2, 1, 28, 28)
    assert torch.equal(network.model(images), finished.model(images))
    assert network.classes == ("1", "4")
    assert (network.intake.height, network.intake.channels) == (28, 1)


def test_the_course_of_the_transformer_is_kept(finished):
    last = load_network(finished.checkpoint.with_name("last.ckpt"))
    assert last.course.images.shape == (4, 1, 28, 28)
    assert last.course.thetas.shape == (2, 4, 2, 3)
    assert torch.equal(last.course.thetas[-1], transformer_of(last).localise(last.course.images).detach()) or (
        (last.course.thetas[-1] - transformer_of(last).localise(last.course.images)).abs().max() < 1e-3
    )


def test_the_held_out_pictures_are_found_again(finished):
    network = load_network(finished.checkpoint)
    pictures = held_out_pictures(network.about)
    images, labels = pictures[0]
    wrong = (network.model(images).argmax(1) != labels).float().mean() * 100
    assert wrong.item() == pytest.approx(finished.record.test_error)


def test_runs_repeat_resume_and_refuse(tmp_path):
    first = train(tmp_path, epochs=2)
    with pytest.raises(OptionError, match="--resume"):
        train(tmp_path)
    with pytest.raises(CheckpointError, match=r"model.filters: expected 3, got 2"):
        train(tmp_path, "model.filters=3", resume=True)
    again = train(tmp_path, epochs=2, overwrite=True)
    rows = [[{k: v for k, v in row.items() if k != "seconds"} for row in one.record.history] for one in (first, again)]
    assert rows[0] == rows[1]
    longer = train(tmp_path, epochs=3, resume=True)
    assert [row["epoch"] for row in longer.record.history] == [1, 2, 3]
    assert load_network(longer.checkpoint.with_name("last.ckpt")).course.thetas.shape[0] == 3


def test_exported_files_hold_the_same_network(finished, tmp_path):
    written = [
        path
        for path, _ in export_network(finished.checkpoint, tmp_path / "net.onnx", [".onnx", ".pt2", ".safetensors"])
    ]
    assert [path.suffix for path in written] == [".onnx", ".pt2", ".safetensors", ".json"]
    images = torch.rand(5, 1, 28, 28)
    expected = ExportedNetwork(finished.model)(images)
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    assert [output.name for output in session.get_outputs()] == ["logits", "straightened", "theta"]
    program = torch.export.load(tmp_path / "net.pt2").module()
    weights = ExportedNetwork(load_network(tmp_path / "net.safetensors").model)
    for found in (session.run(None, {"images": images.numpy()}), program(images), weights(images)):
        for given, wanted in zip(found, expected, strict=True):
            torch.testing.assert_close(torch.as_tensor(given), wanted, atol=1e-4, rtol=1e-4)
    card = json.loads((tmp_path / "net.json").read_text())
    assert card["error"]["test_error_percent"] == finished.record.test_error
    assert card["about"]["config"]["data"]["height"] == 28
    assert card["classes"] == ["1", "4"]
    assert card["versions"]["torch"] == torch.__version__


def card_of(checkpoint, folder):
    """The card that an export writes."""
    list(export_network(checkpoint, folder / "card.safetensors", [".safetensors"]))
    return json.loads((folder / "card.json").read_text())


def test_card_gives_no_error_of_another_epoch(finished, tmp_path):
    content = torch.load(finished.checkpoint, weights_only=True)
    run = tmp_path / "run"
    shutil.copytree(finished.checkpoint.parents[1], run)
    for moved, known in ((0, True), (1, False)):
        torch.save(content | {"epoch": content["epoch"] + moved}, run / "checkpoints" / "some.ckpt")
        assert (card_of(run / "checkpoints" / "some.ckpt", tmp_path)["error"] is not None) == known


def test_weights_exported_again_keep_the_error_of_their_card(finished, tmp_path):
    first = card_of(finished.checkpoint, tmp_path)
    assert first["error"] is not None
    assert card_of(tmp_path / "card.safetensors", tmp_path)["error"] == first["error"]


def test_a_graph_that_is_wrong_replaces_none(finished, tmp_path):
    good = tmp_path / "net.onnx"
    good.write_bytes(b"an earlier graph")
    content = torch.load(finished.checkpoint, weights_only=True)
    weights = {
        name: value * torch.nan if value.is_floating_point() else value for name, value in content["state_dict"].items()
    }
    torch.save(content | {"state_dict": weights}, tmp_path / "diverged.ckpt")
    with pytest.raises(DataError, match="expected the graph to agree"):
        list(export_network(tmp_path / "diverged.ckpt", good, [".onnx"]))
    assert good.read_bytes() == b"an earlier graph"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["diverged.ckpt", "net.onnx"]


@pytest.mark.parametrize("changes", [{"seed": 1}, {"name": "folder/other"}, {"seconds": 1e6}])
def test_card_gives_no_error_of_another_run(finished, tmp_path, changes):
    run = tmp_path / "run"
    shutil.copytree(finished.checkpoint.parents[1], run)
    values = dataclasses.asdict(finished.record)
    if "seconds" in changes:
        values["history"] = [row | changes for row in values["history"]]
    (run / "record.json").write_text(json.dumps(values | changes))
    assert card_of(run / "checkpoints" / "best.ckpt", tmp_path)["error"] is None


def test_damaged_or_foreign_weights_are_refused(finished, tmp_path):
    list(export_network(finished.checkpoint, tmp_path / "net.safetensors", [".safetensors"]))
    weights, card = tmp_path / "net.safetensors", tmp_path / "net.json"
    content = weights.read_bytes()
    weights.write_bytes(content[:500])
    with pytest.raises(CheckpointError, match="damaged"):
        load_network(weights)
    weights.write_bytes(content)
    known = json.loads(card.read_text())
    for damage in ({"about": None}, {"about": "x"}, {"about": {}}, {"epoch": None}, {"epoch": "x"}):
        card.write_text(json.dumps(known | damage))
        with pytest.raises(CheckpointError, match="to be a card"):
            load_network(weights)
    card.write_text("{}")
    with pytest.raises(CheckpointError, match="to be a card"):
        load_network(weights)
    card.unlink()
    with pytest.raises(CheckpointError, match="side by side"):
        load_network(weights)


class Bomb:
    def __reduce__(self):
        return Path.touch, (Path("exploded"),)


def test_loading_never_runs_what_a_file_holds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {}, "unwarp": Bomb()}, "bomb.ckpt")
    Path("bomb.safetensors").write_bytes(pickle.dumps(Bomb()))
    Path("bomb.json").write_text('{"about": {}, "epoch": 1}')
    for name in ("bomb.ckpt", "bomb.safetensors"):
        with pytest.raises(CheckpointError):
            load_network(Path(name))
    assert not Path("exploded").exists()


def test_code_named_by_a_file_is_imported_only_if_allowed(tmp_path):
    train(tmp_path, "model.backbone=unwarp.models:CNN")
    path = tmp_path / "run" / "checkpoints" / "best.ckpt"
    with pytest.raises(OptionError, match=r"calling unwarp.models:CNN.*--allow-import"):
        load_network(path)
    assert load_network(path, allow_import=True).epoch == 1


def test_a_network_without_a_transformer_says_so(tmp_path):
    finished = train(tmp_path, "model.transform=none")
    network = load_network(finished.checkpoint)
    assert network.course is None
    with pytest.raises(OptionError, match="without one"):
        transformer_of(network)
    assert ExportedNetwork(network.model).outputs == ("logits",)


def test_folder_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert folder_root("mnist-r/cnn") is None
    assert folder_root("folder/some/where") == Path("some/where")
    assert folder_root("folder//tmp") == Path("/tmp")
    Path("folder/digits").mkdir(parents=True)
    assert folder_root("folder/digits") == Path("folder/digits")
