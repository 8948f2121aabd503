"""Counts of a lattice, saved with weights: those of another lattice may have the same shape and mean another map."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from unwarp.errors import ShapeError

_NAME = "lattice_counts"


def save_counts(module: nn.Module, counts: Sequence[int]) -> None:
    """Keep counts in a module's state dict. In files of earlier versions there are none: they pass unchecked."""
    module.register_buffer(_NAME, torch.tensor(tuple(counts)))
    module.register_load_state_dict_pre_hook(_complete)


def check_counts(module: nn.Module, option: str, counts: Sequence[int]) -> None:
    """Compare with the counts that came with the weights.

    Raises:
        ShapeError: they are others.
    """
    saved = cast("Tensor", getattr(module, _NAME))
    known = type(saved) is Tensor and not saved.is_meta  # fake tensors have no values to compare
    if not known or saved.tolist() == list(counts):
        return
    found = tuple(cast("list[int]", saved.tolist()))
    setattr(module, _NAME, torch.tensor(tuple(counts), device=saved.device))
    raise ShapeError(
        f"{option}: expected weights for {tuple(counts)}, as this transform has, got those for {found}. "
        f"Make the transform with {option}={found}."
    )


def _complete(module: nn.Module, state_dict: dict[str, Any], prefix: str, *_rest: object) -> None:
    state_dict.setdefault(prefix + _NAME, getattr(module, _NAME))
