"""A folder of pictures with a subfolder for each class, and its division into parts."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from unwarp.data.generators import Stream, generator_for
from unwarp.data.picture import SUFFIXES
from unwarp.errors import DataError, OptionError

__all__ = ["Parts", "PictureFolder", "digest", "divide", "pictures_in", "scan"]


class PictureFolder(NamedTuple):
    """Labelled picture files.

    Attributes:
        root: the folder.
        classes: names of the subfolders, sorted.
        paths: of the files, class by class, sorted.
        labels: index of each file's class.
    """

    root: Path
    classes: tuple[str, ...]
    paths: tuple[Path, ...]
    labels: tuple[int, ...]


class Parts(NamedTuple):
    """Positions of the pictures in each part, in mixed order."""

    training: list[int]
    validation: list[int]
    test: list[int]


def scan(root: Path | str) -> PictureFolder:
    """List the pictures of each class, subfolders of subfolders included. Opens none of them.

    Hidden files and files without a picture's suffix are passed over.

    Raises:
        DataError: there is no such folder, or fewer than two of its subfolders hold pictures.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"{root}: expected a folder with a subfolder of pictures for each class, found no folder.")
    found = {folder.name: pictures_in(folder) for folder in sorted(root.iterdir()) if _is_class(folder)}
    found = {name: paths for name, paths in found.items() if paths}
    if len(found) < 2:
        raise DataError(
            f"{root}: expected a subfolder of pictures for each of two classes or more, found {len(found)}"
            f"{''.join(f' ({name})' for name in found)}. Make {root}/CLASS/PICTURE.png."
        )
    labels = tuple(label for label, paths in enumerate(found.values()) for _ in paths)
    return PictureFolder(root, tuple(found), tuple(path for paths in found.values() for path in paths), labels)


def digest(folder: PictureFolder, usable: Sequence[int]) -> str:
    """What tells whether a folder holds the same pictures: names and sizes of the usable files, hashed."""
    paths = [folder.paths[index] for index in usable]
    lines = [f"{path.relative_to(folder.root).as_posix()}\t{path.stat().st_size}\n" for path in paths]
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def pictures_in(folder: Path) -> list[Path]:
    """Every picture file below a folder, sorted; hidden ones are passed over."""
    files = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    return sorted(path for path in files if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def divide(labels: Sequence[int], classes: Sequence[str], *, validation: float, test: float, seed: int) -> Parts:
    """Divide positions at random, with the same shares of every class, in mixed order.

    The first few pictures of a part stand for it in figures, so they must not be all of the first class.

    Args:
        labels: class of each position, as an index.
        classes: their names.
        validation: share of each class that chooses the best checkpoint, at least one picture.
        test: share of each class for the final figure, at least one picture. One at least is left for training.
        seed: of the division; the same labels and seed give the same parts.

    Raises:
        OptionError: a share is not positive, or both leave nothing.
        DataError: a class has fewer than three pictures.
    """
    if not (validation > 0 and test > 0 and validation + test < 1):
        raise OptionError(
            f"validation, test: expected positive shares that leave some for training, got {validation} and {test}."
        )
    parts = Parts([], [], [])
    generator = generator_for(Stream.SPLIT, seed=seed)
    for label, name in enumerate(classes):
        members = [index for index, given in enumerate(labels) if given == label]
        if len(members) < len(parts):
            raise DataError(f"{name}: expected at least {len(parts)} readable pictures, got {len(members)}.")
        shuffled = [members[int(i)] for i in torch.randperm(len(members), generator=generator)]
        held = min(max(1, round(validation * len(members))), len(members) - 2)  # one for the test, one to learn from
        tested = min(max(1, round(test * len(members))), len(members) - held - 1)
        parts.validation.extend(shuffled[:held])
        parts.test.extend(shuffled[held : held + tested])
        parts.training.extend(shuffled[held + tested :])
    return Parts(*([part[int(i)] for i in torch.randperm(len(part), generator=generator)] for part in parts))


def _is_class(folder: Path) -> bool:
    return folder.is_dir() and not folder.name.startswith(".")
