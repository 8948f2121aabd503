"""Many pictures as a network sees them: read once, checked, and kept in memory as far as that goes."""

import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeAlias, TypeVar

import torch
from torch import Tensor

from unwarp._typing import Integer
from unwarp.data.intake import Intake
from unwarp.data.picture import MOST_PIXELS, Picture, read_picture
from unwarp.errors import DataError

__all__ = ["PictureStore", "Survey", "in_order", "open_store"]

T = TypeVar("T")
R = TypeVar("R")

_Read: TypeAlias = tuple[Tensor, tuple[str, ...]] | str
"""A picture and what was converted in it, or why there is none."""

_MEGABYTE = 2**20
_AHEAD = 4  # results that each thread may be in front of the one that is waited for
_NAMED = 5  # files that an error lists


class Survey(NamedTuple):
    """What reading many files came to.

    Attributes:
        usable: positions of the files that hold a picture.
        skipped: ``(path, reason)`` of the others.
        converted: ``(path, what was done)`` of the pictures that are not quite what the file holds.
    """

    usable: list[int]
    skipped: list[tuple[Path, str]]
    converted: list[tuple[Path, str]]


class PictureStore:
    """Pictures by number, as bytes ``(channels, height, width)``.

    Args:
        paths: of the files; every one readable.
        intake: size and channels.
        most_pixels: how many a picture may have.
        kept: all pictures; without, they are read again whenever they are asked for.
    """

    def __init__(
        self, paths: Sequence[Path], intake: Intake, *, most_pixels: int = MOST_PIXELS, kept: Tensor | None = None
    ) -> None:
        self.paths = tuple(paths)
        self.intake = intake
        self._most_pixels = most_pixels
        self._kept = kept

    def __len__(self) -> int:
        return len(self.paths)

    def images(self, indices: Sequence[int] | Tensor) -> Integer[Tensor, "n channels height width"]:
        """Some of the pictures.

        Raises:
            DataError: a file can no longer be read.
        """
        chosen = [int(index) for index in indices]
        if self._kept is not None:
            return self._kept[chosen]
        return torch.stack(list(in_order(self._read, [self.paths[index] for index in chosen])))

    def _read(self, path: Path) -> Tensor:
        return self.intake.image(read_picture(path, most_pixels=self._most_pixels))


def open_store(
    paths: Sequence[Path],
    intake: Intake,
    *,
    most_pixels: int = MOST_PIXELS,
    memory: int = 2048 * _MEGABYTE,
    strict: bool = False,
    shown: Callable[[Iterator[_Read]], Iterable[_Read]] = lambda items: items,
) -> tuple[PictureStore, Survey]:
    """Read every file once, and keep the pictures if they fit into the memory given.

    Args:
        paths: of the files.
        intake: size and channels to keep them in.
        most_pixels: how many a picture may have; larger ones are skipped.
        memory: bytes that may be kept. Pictures that need more are read anew for every batch.
        strict: stop at a file that would be skipped or converted.
        shown: wraps the iteration over the files, for example in a progress bar.

    Returns:
        The usable pictures, numbered without gaps, and the survey of all files.

    Raises:
        DataError: nothing is usable, or ``strict`` and something is skipped or converted.
    """
    survey = Survey([], [], [])
    keep = len(paths) * intake.channels * intake.height * intake.width <= memory
    kept: list[Tensor] = []
    results = in_order(lambda path: _read_or_reason(path, intake, most_pixels), paths)
    for index, (path, found) in enumerate(zip(paths, shown(results), strict=True)):
        if isinstance(found, str):
            survey.skipped.append((path, found))
        else:
            image, notes = found
            survey.usable.append(index)
            survey.converted.extend((path, note) for note in notes)
            if keep:
                kept.append(image)
        if strict:
            _refuse_oddities(survey)
    if not survey.usable:
        raise DataError(f"pictures: expected at least one that can be read, got none of {len(paths)}. {_names(survey)}")
    usable = [paths[index] for index in survey.usable]
    return PictureStore(usable, intake, most_pixels=most_pixels, kept=torch.stack(kept) if keep else None), survey


def in_order(
    work: Callable[[T], R],
    items: Sequence[T],
    *,
    weigh: Callable[[T], float] = lambda _item: 0,
    most: float = math.inf,
) -> Iterator[R]:
    """Results of ``work`` in the order of the items, done by as many threads as there are cores, a little ahead.

    Pillow decodes without holding Python's lock, so threads do read pictures side by side.

    Args:
        work: what is done with an item.
        items: in their order.
        weigh: what the result of an item weighs, for example its bytes.
        most: how much all results that are begun and not yet used may weigh together; a heavier one is made alone.
    """
    threads = max(1, min(os.cpu_count() or 1, len(items)))
    pending: deque[tuple[Future[R], float]] = deque()
    held = 0.0
    with ThreadPoolExecutor(threads) as pool:
        for item in items:
            weight = min(weigh(item), most)
            while pending and (len(pending) >= threads * _AHEAD or held + weight > most):
                yield pending[0][0].result()
                held -= pending.popleft()[1]
            pending.append((pool.submit(work, item), weight))
            held += weight
        while pending:
            yield pending.popleft()[0].result()


def _read_or_reason(path: Path, intake: Intake, most_pixels: int) -> _Read:
    try:
        picture: Picture = read_picture(path, most_pixels=most_pixels)
    except DataError as error:
        return str(error).removeprefix(f"{path}: ")
    return intake.image(picture), picture.notes


def _refuse_oddities(survey: Survey) -> None:
    if survey.skipped or survey.converted:
        raise DataError(f"--strict: {_names(survey)} Repair or remove it, or leave --strict out to skip or convert it.")


def _names(survey: Survey) -> str:
    return " ".join(f"{path}: {reason}" for path, reason in [*survey.skipped, *survey.converted][:_NAMED])
