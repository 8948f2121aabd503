"""Weights and their card, side by side."""

import json

import pytest
import torch
from torch import nn

from unwarp.errors import CheckpointError
from unwarp.export import read_weights, write_weights

CARD = {"about": {"kind": "folder"}, "epoch": 3}


def tied():
    """Two layers that share one weight, which lies in memory column by column."""
    first, second = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
    first.weight = second.weight = nn.Parameter(torch.rand(4, 4).t())
    return nn.Sequential(first, second)


def test_weights_come_back_with_their_card(tmp_path):
    model = tied()
    path = write_weights(model, tmp_path / "new" / "net.safetensors", CARD)
    tensors, card = read_weights(path)
    assert card == CARD
    assert json.loads((tmp_path / "new" / "net.json").read_text()) == CARD
    assert tensors.keys() == model.state_dict().keys()
    for name, weight in model.state_dict().items():
        assert torch.equal(tensors[name], weight)


@pytest.mark.parametrize("damage", ["missing card", "cut", "no card of ours", "pickle"])
def test_damaged_weights_are_refused(damage, tmp_path):
    path = write_weights(tied(), tmp_path / "net.safetensors", CARD)
    card = path.with_suffix(".json")
    if damage == "missing card":
        card.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:40])
    elif damage == "no card of ours":
        card.write_text("[]")
    else:
        torch.save({"weight": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match="net"):
        read_weights(path)


def test_any_card_comes_back_and_paths_may_be_strings(tmp_path):
    path = str(tmp_path / "net.safetensors")
    write_weights(tied(), path, {"note": "mine"})
    assert read_weights(path)[1] == {"note": "mine"}
