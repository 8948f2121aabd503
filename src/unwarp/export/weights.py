"""Weights as safetensors, with a JSON card beside them. Reading runs no code: neither format can hold any."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from unwarp._optional import require
from unwarp._whole_file import write_whole
from unwarp.errors import CheckpointError

__all__ = ["card_path", "read_weights", "write_weights"]


def card_path(path: str | Path) -> Path:
    """Where the card of a weights file lies: beside it, ``.json`` for ``.safetensors``."""
    return Path(path).with_suffix(".json")


def write_weights(model: nn.Module, path: str | Path, card: Mapping[str, Any]) -> Path:
    """Write the weights of a network and their card, each whole or not at all.

    Args:
        model: the network.
        path: of the ``.safetensors`` file; missing folders are made.
        card: plain values, for example settings, data, error and versions.

    Raises:
        OSError: a file cannot be written.
    """
    path = Path(path)
    save = require("safetensors.torch", extra="export").save
    # Copies: the format refuses tensors that share memory, as tied weights do.
    plain = torch.contiguous_format
    tensors = {name: tensor.detach().cpu().clone(memory_format=plain) for name, tensor in model.state_dict().items()}
    write_whole(path, save(tensors, metadata={"format": "pt"}))
    write_whole(card_path(path), (json.dumps(dict(card), indent=1, ensure_ascii=False) + "\n").encode("utf-8"))
    return path


def read_weights(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_weights` wrote.

    Returns:
        The tensors by name, and the card.

    Raises:
        CheckpointError: a file is missing or damaged.
    """
    path, card = Path(path), card_path(path)
    load = require("safetensors.torch", extra="export").load
    for file in (path, card):
        if not file.is_file():
            raise CheckpointError(
                f"weights: expected {path.name} and {card.name} side by side, and {file} does not exist."
            )
    try:
        content: object = json.loads(card.read_text(encoding="utf-8"))
        tensors = cast("dict[str, Tensor]", load(path.read_bytes()))
    except OSError:
        raise
    except Exception as error:  # a broken byte makes a reader fail in any way whatever
        raise CheckpointError(f"weights: {path} or its card {card.name} is damaged ({error}).") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"weights: expected {card} to be a card that `write_weights` wrote.")
    return tensors, cast("dict[str, Any]", content)
