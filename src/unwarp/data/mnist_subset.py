"""The digits that ship with unwarp: a class-balanced part of MNIST that needs no network.

6,000 digits of MNIST's training set and 2,000 of its test set, the images unchanged, in random order. They were chosen
by ``tools/make_mnist_subset.py``; the licence stands in ``mnist_subset.LICENCE.txt`` beside the file.
"""

from importlib.resources import as_file, files

import numpy as np
import torch

from unwarp import _checks
from unwarp.data import download as downloads
from unwarp.data.mnist import SPLITS, Digits, Split, combined

FILE_NAME = "mnist_subset.npz"


def subset(split: Split) -> Digits:
    """The packaged digits: 6,000 of the training set or 2,000 of the test set, as many of each class.

    Args:
        split: ``"train"`` or ``"test"``.

    Raises:
        OptionError: no such split.

    Examples:
        >>> len(subset("train")), len(subset("test"))
        (6000, 2000)
    """
    _checks.option("split", split, SPLITS)
    with as_file(files("unwarp.data") / FILE_NAME) as path, np.load(path) as arrays:
        return Digits(
            torch.from_numpy(arrays[f"{split}_images"]),
            torch.from_numpy(arrays[f"{split}_labels"].astype(np.int64)),
        )


def digest() -> str:
    """What tells these digits from others."""
    parts = [subset(split) for split in SPLITS]
    arrays = [array.numpy() for digits in parts for array in (digits.images, digits.labels)]
    return combined(downloads.digest(array.tobytes()) for array in arrays)
