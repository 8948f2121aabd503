"""MNIST, the handwritten digits of LeCun, Cortes and Burges: 60,000 for training, 10,000 for testing, 28x28 grey.

The files come from a folder of the user's, from the cache, or from the mirrors, in this order. The dataset is available
under the terms of CC BY-SA 3.0.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from unwarp import _checks
from unwarp._typing import Integer
from unwarp.data import download as downloads
from unwarp.data import idx
from unwarp.errors import DataError, OptionError

Split: TypeAlias = Literal["train", "test"]

SPLITS: tuple[Split, ...] = ("train", "test")
IMAGE_SIZE = (28, 28)
NUM_CLASSES = 10

MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")

FILES: dict[Split, tuple[str, str]] = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}

SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""Digests of the unpacked files: the packed ones differ between mirrors."""

_DIGEST_LENGTH = 16  # of 64: it tells digits apart, and is no protection from an attacker


def combined(digests: Iterable[str]) -> str:
    """One digest of several."""
    return downloads.digest("".join(digests).encode())[:_DIGEST_LENGTH]


PUBLISHED = combined(SHA256.values())
"""What `digest` gives for the published files."""

_REMEDY = (
    "Give a folder with the four IDX files (data_dir, or --data-dir on the command line), "
    "or use the digits that ship with unwarp (data.source=packaged, or unwarp.data.mnist_subset.subset)."
)


@dataclass(frozen=True)
class Digits:
    """Digits and what they are.

    Attributes:
        images: ``(n, 28, 28)``, unsigned bytes, 0 is the black background.
        labels: ``(n,)``, int64 in 0..9.
    """

    images: Integer[Tensor, "n 28 28"]
    labels: Integer[Tensor, "n"]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, part: slice) -> "Digits":
        return Digits(self.images[part], self.labels[part])


def load(
    split: Split,
    *,
    data_dir: str | Path | None = None,
    cache_dir: str | Path | None = None,
    download: bool = True,
) -> Digits:
    """The whole training or test set.

    Args:
        split: ``"train"`` or ``"test"``.
        data_dir: folder with the IDX files, gzipped or not; nothing else is looked at or downloaded then. Any digits
            in MNIST's format will do.
        cache_dir: where downloads are kept, by default `unwarp.data.download.cache_directory`.
        download: whether files that are not in the cache may be downloaded.

    Returns:
        60,000 or 10,000 digits in their published order.

    Raises:
        DataError: a file is missing, damaged or not MNIST, labels and images differ in number, or no mirror delivers.
        OptionError: no such split.

    Examples:
        >>> load("test", data_dir="digits")  # doctest: +SKIP
    """
    _checks.option("split", split, SPLITS)
    images, labels = _from_folder(split, Path(data_dir)) if data_dir else _from_cache(split, cache_dir, download)
    return read_digits(images, labels)


def read_digits(images: Path, labels: Path) -> Digits:
    """Read one pair of IDX files and check that they belong together. Raises `DataError` as `load` does."""
    pixels, classes = idx.read_idx(images, rank=3), idx.read_idx(labels, rank=1)
    if pixels.shape[1:] != IMAGE_SIZE:
        raise DataError(f"{images}: expected images of 28x28, got {pixels.shape[1]}x{pixels.shape[2]}. Is this MNIST?")
    if len(pixels) != len(classes):
        raise DataError(
            f"{labels}: expected a label for each of the {len(pixels)} images of {images.name}, got {len(classes)}. "
            "Take both files from the same set."
        )
    if classes.max() >= NUM_CLASSES:
        raise DataError(f"{labels}: expected labels 0 to 9, got {classes.max()}. Is this MNIST?")
    return Digits(torch.from_numpy(pixels), torch.from_numpy(classes.astype(np.int64)))


def digest(data_dir: str | Path) -> str:
    """What tells the digits of a folder from others: a digest of the four files, unpacked.

    Raises:
        DataError: a file is missing, unreadable or damaged.
    """
    paths = [_find(Path(data_dir), name) for names in FILES.values() for name in names]
    return combined(_file_digest(path.absolute(), *_state(path)) for path in paths)


def hold_out(digits: Digits, count: int) -> tuple[Digits, Digits]:
    """Split digits in two: all but the last `count`, and the last `count`, for choosing a model without the test set.

    Raises:
        OptionError: one of the two parts would be empty.
    """
    if not 0 < count < len(digits):
        raise OptionError(f"count: expected 1 to {len(digits) - 1} of the {len(digits)} digits, got {count}.")
    return digits[:-count], digits[-count:]


def _from_folder(split: Split, folder: Path) -> tuple[Path, Path]:
    images, labels = (_find(folder, name) for name in FILES[split])
    return images, labels


def _find(folder: Path, name: str) -> Path:
    """The file under the names that are about: gzipped or not, and with the dot that some copies have."""
    names = [stem + suffix for stem in (name, name.replace("-idx", ".idx")) for suffix in ("", ".gz")]
    for candidate in names:
        if (folder / candidate).is_file():
            return folder / candidate
    raise DataError(f"{folder}: expected a file {name} or {name}.gz, found neither. {_REMEDY}")


def _state(path: Path) -> tuple[int, int]:
    about = path.stat()
    return about.st_size, about.st_mtime_ns


@lru_cache(maxsize=16)
def _file_digest(path: Path, size: int, modified: int) -> str:
    """Computed once a process, unless the file changes."""
    del size, modified
    return downloads.digest(idx.read_unpacked(path))


def _from_cache(split: Split, cache_dir: str | Path | None, download: bool) -> tuple[Path, Path]:
    folder = Path(cache_dir) if cache_dir else downloads.cache_directory() / "mnist"
    images, labels = (_cached(folder / name, download) for name in FILES[split])
    return images, labels


def _cached(path: Path, download: bool) -> Path:
    """The path itself, after downloading the file unless a sound copy is there."""
    sha256 = SHA256[path.name]
    if path.is_file() and downloads.digest(idx.read_unpacked(path)) == sha256:
        return path
    if not download:
        raise DataError(f"{path}: expected MNIST in the cache, found no sound copy, and downloading is off. {_REMEDY}")
    urls = [f"{mirror}{path.name}.gz" for mirror in MIRRORS]
    unpack = partial(idx.unpack, source=f"{path.name}.gz")
    downloads.fetch(path, urls=urls, sha256=sha256, unpack=unpack, remedy=_REMEDY)
    return path
