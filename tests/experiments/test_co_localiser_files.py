import json

import pytest
import torch

from unwarp.data.intake import Intake
from unwarp.errors import OptionError
from unwarp.experiments import exported
from unwarp.experiments.experiment import choose
from unwarp.experiments.network_files import Network, transformer_of
from unwarp.experiments.shown_pictures import choose_pictures
from unwarp.experiments.transformer_pictures import draw_figure
from unwarp.models.co_localiser import CoLocaliser


@pytest.fixture(scope="module")
def network():
    chosen = choose("mnist-tc84/co-localiser", ["data.source=packaged", "model.width=8"])
    torch.manual_seed(0)
    model = CoLocaliser((84, 84), width=8).eval()
    classes = tuple(map(str, range(10)))
    return Network({"name": chosen.name, "config": chosen.config.values()}, 1, model, Intake(84, 84, 1), classes, None)


@pytest.fixture(scope="module")
def shown(network):
    return choose_pictures(network, [])


def test_every_digit_has_its_turn(shown):
    assert shown.first(12).names == tuple("012345678901")
    assert [str(label) for label in shown.found[:, 0].tolist()] == list(shown.names)


def test_pictures_keep_the_place_of_their_digit(network, shown):
    """Outside of its frame there are squares alone: a frame holds more ink than as much of the rest, on average."""
    frames = [
        image[0, row : row + 28, column : column + 28]
        for image, (_, row, column) in zip(shown.images, shown.found.tolist(), strict=True)
    ]
    assert torch.stack(frames).mean() > 3 * shown.images.mean()


def test_the_figure_has_both_frames_and_says_what_was_found(network, shown):
    few = shown.first(3)
    with torch.no_grad():
        for transformer in network.model.transformers:
            transformer.regression.bias.copy_(torch.tensor([-50.0, 0.0, 0.0]))  # 28 pixels wide, in the middle
    few.found[0, 1:] = 28
    few.found[1, 1:] = torch.tensor([28, 42])
    few.found[2, 1:] = 0
    figure = draw_figure(network, few)
    inputs = figure.axes[::2]
    assert [ax.get_title(loc="left") for ax in inputs] == ["0: found, 100 %", "1: missed, 33 %", "2: missed, 0 %"]
    dashed = [[patch.get_xy() for patch in ax.patches if patch.get_linestyle() == "--"] for ax in inputs]
    assert dashed == [[(27.5, 27.5)], [(41.5, 27.5)], [(-0.5, -0.5)]]


def test_files_are_refused_whose_digit_nobody_knows(network):
    with pytest.raises(OptionError, match="images: expected none for mnist-tc84/co-localiser"):
        choose_pictures(network, ["digit.png"])


def test_there_is_no_one_transformer_to_rectify_with(network):
    with pytest.raises(OptionError, match="one transformer, got mnist-tc84/co-localiser with one for each digit"):
        transformer_of(network)


def test_only_weights_are_exported(network, tmp_path, monkeypatch):
    monkeypatch.setattr(exported, "load_network", lambda *_, **__: network)
    with pytest.raises(OptionError, match="out: expected .safetensors for mnist-tc84/co-localiser, got .onnx"):
        list(exported.export_network(tmp_path / "a.ckpt", tmp_path / "a.onnx", [".safetensors", ".onnx"]))
    assert list(tmp_path.iterdir()) == []
    written = exported.export_network(tmp_path / "a.ckpt", tmp_path / "a", [".safetensors"])
    assert [path.name for path, _ in written] == ["a.safetensors", "a.json"]
    assert json.loads((tmp_path / "a.json").read_text())["outputs"] == ["theta"]
