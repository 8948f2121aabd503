"""Reading checkpoints: data alone, never code, and one clear error for whatever else a file may hold."""

import pickle
import warnings
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from unwarp.errors import CheckpointError

__all__ = ["Checkpoint", "load_weights", "read_checkpoint"]

ABOUT = "unwarp"  # the entry that says what a checkpoint holds
_WEIGHTS = "model."  # prefix of the network's own tensors among the trainer's
_SHOWN = 3  # how many differences a message lists


class Checkpoint(NamedTuple):
    """What a training run left.

    Attributes:
        path: where it lies.
        about: plain values that the run wrote beside the weights.
        weights: tensors of the network by name.
        epoch: how many epochs were finished.
        callbacks: what the callbacks of the run kept, by their names.
    """

    path: Path
    about: dict[str, Any]
    weights: dict[str, Tensor]
    epoch: int
    callbacks: dict[str, Any]


def read_checkpoint(path: Path | str) -> Checkpoint:
    """Read a checkpoint onto the CPU.

    Raises:
        CheckpointError: the file is missing, truncated, no checkpoint, or another program's.
    """
    path = Path(path)
    content = _content(path)
    if ABOUT not in content or "state_dict" not in content:
        raise CheckpointError(
            f"checkpoint: expected a file that `unwarp train` wrote, got {path}, a checkpoint of another program. "
            "Give one from the checkpoints folder of a run."
        )
    tensors: dict[str, Tensor] = content["state_dict"]
    weights = {name.removeprefix(_WEIGHTS): tensor for name, tensor in tensors.items() if name.startswith(_WEIGHTS)}
    return Checkpoint(path, content[ABOUT], weights, content["epoch"] + 1, content.get("callbacks", {}))


def load_weights(model: nn.Module, checkpoint: Checkpoint) -> None:
    """Copy a checkpoint's weights into a network.

    Raises:
        CheckpointError: the checkpoint is of another network. The message names the first tensors that differ.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    given = {name: tuple(tensor.shape) for name, tensor in checkpoint.weights.items()}
    differing = [name for name in sorted(expected | given) if expected.get(name) != given.get(name)]
    if differing:
        shown = "; ".join(
            f"{name}: expected {expected.get(name, 'nothing')}, got {given.get(name, 'nothing')}"
            for name in differing[:_SHOWN]
        )
        raise CheckpointError(
            f"checkpoint: {checkpoint.path} holds another model. {len(differing)} of {len(expected | given)} tensors "
            f"differ ({shown}). Give a checkpoint of the same network, width, image size and transform."
        )
    model.load_state_dict(checkpoint.weights)


def _content(path: Path) -> dict[str, Any]:
    if not path.is_file():
        found = "a folder" if path.is_dir() else "which does not exist"
        raise CheckpointError(f"checkpoint: expected a file, got {path}, {found}. Check the path.")
    path.open("rb").close()  # where the system refuses, its own reason; below, torch's reader raises OSError as well
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Detected pickle protocol")  # of a file that is refused anyway
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken byte makes torch's reader fail in any way whatever
        raise CheckpointError(
            f"checkpoint: expected a file that `unwarp train` wrote, got {path}, which is truncated, corrupt or holds "
            f"more than tensors and plain values ({_first_line(error)}). Use another checkpoint of the run."
        ) from error
    return cast(dict[str, Any], content) if isinstance(content, dict) else {}


def _first_line(error: Exception) -> str:
    if isinstance(error, pickle.UnpicklingError):  # torch then explains at length how to load it all the same
        return "not one that loads without running code"
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
