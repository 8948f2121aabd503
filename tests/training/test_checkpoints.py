import pickle

import pytest
import torch
from torch import nn

from unwarp.errors import CheckpointError
from unwarp.training.checkpoints import load_weights, read_checkpoint


@pytest.fixture
def checkpoint(tmp_path):
    """A file like a run's, of `nn.Linear(2, 3)`."""
    weights = {f"model.{name}": tensor for name, tensor in nn.Linear(2, 3).state_dict().items()}
    path = tmp_path / "some.ckpt"
    torch.save({"state_dict": weights, "unwarp": {"name": "linear"}, "epoch": 4}, path)
    return path


def test_round_trip(checkpoint):
    read = read_checkpoint(checkpoint)
    model = nn.Linear(2, 3)
    load_weights(model, read)
    assert torch.equal(model.weight, read.weights["weight"])
    assert (read.about, read.epoch) == ({"name": "linear"}, 5)


def test_missing(tmp_path):
    with pytest.raises(CheckpointError, match="does not exist"):
        read_checkpoint(tmp_path / "none.ckpt")


@pytest.mark.parametrize("kept", [0, 1, 100, 700, -1])
def test_truncated(checkpoint, kept):
    checkpoint.write_bytes(checkpoint.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match="truncated, corrupt"):
        read_checkpoint(checkpoint)


def test_truncated_where_torch_speaks_of_the_system(checkpoint):
    """Its reader then raises an OSError without a path."""
    torch.save({"state_dict": {"model.weight": torch.zeros(300, 300)}, "unwarp": {}, "epoch": 0}, checkpoint)
    whole = checkpoint.read_bytes()
    for kept in range(1000, len(whole), 10_000):
        checkpoint.write_bytes(whole[:kept])
        with pytest.raises(CheckpointError, match="truncated, corrupt"):
            read_checkpoint(checkpoint)


@pytest.mark.parametrize("content", [b"not a checkpoint at all", pickle.dumps({"state_dict": {}}), b"\x80\x02}q"])
def test_other_files(checkpoint, content):
    checkpoint.write_bytes(content)
    with pytest.raises(CheckpointError):
        read_checkpoint(checkpoint)


class RunsCode:
    def __reduce__(self):
        return (pytest.fail, ("the checkpoint's code ran",))


def test_code_is_never_run(checkpoint):
    torch.save({"state_dict": {}, "unwarp": RunsCode(), "epoch": 0}, checkpoint)
    with pytest.raises(CheckpointError, match="more than tensors"):
        read_checkpoint(checkpoint)


@pytest.mark.parametrize("content", [{"state_dict": {}, "epoch": 1}, {"unwarp": {}}, [1, 2], torch.zeros(2)])
def test_other_programs(checkpoint, content):
    torch.save(content, checkpoint)
    with pytest.raises(CheckpointError, match="another program"):
        read_checkpoint(checkpoint)


def test_another_model(checkpoint):
    model = nn.Linear(2, 4, bias=False)
    before = model.weight.clone()
    with pytest.raises(CheckpointError) as raised:
        load_weights(model, read_checkpoint(checkpoint))
    assert "2 of 2 tensors differ" in str(raised.value)
    assert "bias: expected nothing, got (3,); weight: expected (4, 2), got (3, 2)" in str(raised.value)
    assert torch.equal(model.weight, before)
