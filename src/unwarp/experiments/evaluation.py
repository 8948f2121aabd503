"""Errors of a network on fixed batches, without a trainer."""

from collections.abc import Iterable
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from unwarp._typing import Shaped
from unwarp.metrics import best_path, character_error, line_error
from unwarp.models.co_localiser import CoLocaliser
from unwarp.models.line_reader import LineReader
from unwarp.training.colocalisation_module import located

__all__ = ["Batches", "characters_misread", "error_rate", "located_by_digit", "wrong_answers"]


class Batches(Protocol):
    """A set of images with their answers, by the number of the batch."""

    def __len__(self) -> int: ...
    def __getitem__(self, batch: int, /) -> tuple[Tensor, Tensor]: ...


def error_rate(model: nn.Module, batches: Batches) -> float:
    """Share of wrong answers in percent; for co-localisation the share of digits that are not found."""
    return 100 * wrong_answers(model, batches).float().mean().item()


def wrong_answers(model: nn.Module, batches: Batches) -> Shaped[Tensor, "answers"]:
    """Which answers are wrong: one an image, a line of characters or an image of a class; several a sequence."""
    with torch.inference_mode():
        return torch.cat([_wrong(model, *batches[index]).flatten() for index in range(len(batches))])


def located_by_digit(model: CoLocaliser, batches: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
    """Share of images, in percent, in which each digit is found."""
    with torch.inference_mode():
        right = torch.cat([located(model, images, found) for images, found in batches])
    digits = torch.cat([found[:, 0] for _, found in batches])
    known = cast(list[int], digits.unique().tolist())
    return {f"digit {digit}": round(100 * right[digits == digit].float().mean().item(), 4) for digit in known}


def _wrong(model: nn.Module, images: Tensor, answers: Tensor) -> Tensor:
    if isinstance(model, CoLocaliser):
        return ~located(model, images, answers)
    if isinstance(model, LineReader):
        read = best_path(model(images))
        return torch.tensor([line_error([one], answer[None]) > 0 for one, answer in zip(read, answers, strict=True)])
    return model(images).argmax(-1) != answers


def characters_misread(model: LineReader, batches: Iterable[tuple[Tensor, Tensor]]) -> float:
    """Edits that a reader's lines need, for each 100 characters."""
    with torch.inference_mode():
        counts = [character_error(best_path(model(images)), answers) for images, answers in batches]
    edits, characters = (sum(part) for part in zip(*counts, strict=True))
    return 100 * edits / characters
