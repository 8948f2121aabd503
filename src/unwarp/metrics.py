"""Errors of readers: what the likeliest path spells, and how far that is from the truth."""

from collections.abc import Sequence
from typing import cast

from torch import Tensor

from unwarp._typing import Float, Integer

__all__ = ["BLANK", "best_path", "character_error", "edit_distance", "line_error"]

BLANK = 0
"""CTC's "no character"; it also fills short lines up."""


def best_path(logits: Float[Tensor, "batch steps classes"]) -> list[list[int]]:
    """Decode greedily: the likeliest class of every step, repeats merged, blanks left out (Graves et al. 2006).

    Examples:
        >>> import torch
        >>> steps = torch.tensor([[0, 3, 3, 0, 3, 1]])
        >>> best_path(torch.nn.functional.one_hot(steps, 4).float())
        [[3, 3, 1]]
    """
    return [
        [now for before, now in zip([BLANK, *path], path, strict=False) if now not in (before, BLANK)]
        for path in cast(list[list[int]], logits.argmax(-1).tolist())
    ]


def edit_distance(read: Sequence[int], truth: Sequence[int]) -> int:
    """How many insertions, deletions and replacements turn one into the other (Levenshtein).

    Examples:
        >>> edit_distance([1, 2, 3], [2, 3, 4])
        2
    """
    row = list(range(len(truth) + 1))
    for count, character in enumerate(read, 1):
        above, row = row, [count]
        for place, expected in enumerate(truth):
            row.append(min(above[place] + (character != expected), above[place + 1] + 1, row[place] + 1))
    return row[-1]


def character_error(read: Sequence[Sequence[int]], answers: Integer[Tensor, "batch length"]) -> tuple[int, int]:
    """Edits that all lines need together, and characters that they have.

    Args:
        read: what was read.
        answers: the truth, filled up with blanks.
    """
    truths = _truths(answers)
    edits = sum(edit_distance(line, truth) for line, truth in zip(read, truths, strict=True))
    return edits, sum(len(truth) for truth in truths)


def line_error(read: Sequence[Sequence[int]], answers: Integer[Tensor, "batch length"]) -> int:
    """How many lines have at least one mistake; arguments as in `character_error`."""
    return sum(list(line) != truth for line, truth in zip(read, _truths(answers), strict=True))


def _truths(answers: Integer[Tensor, "batch length"]) -> list[list[int]]:
    return [[answer for answer in line if answer != BLANK] for line in cast(list[list[int]], answers.tolist())]
