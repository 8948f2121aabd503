"""A few real digits, as tensors and as a folder of MNIST files."""

import gzip
import struct
from pathlib import Path

import torch
from torch import Tensor

from unwarp.data.mnist import FILES, Digits
from unwarp.data.mnist_subset import subset

TRAINING, TEST = 96, 40


def training_digits() -> Digits:
    return subset("train")[:TRAINING]


def test_digits() -> Digits:
    return subset("test")[:TEST]


test_digits.__test__ = False


def write_mnist_folder(folder: Path) -> Path:
    """The four IDX files, with so few digits that an epoch takes no time."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, digits in (("train", training_digits()), ("test", test_digits())):
        for name, tensor in zip(FILES[split], (digits.images, digits.labels), strict=True):
            (folder / f"{name}.gz").write_bytes(gzip.compress(_idx(tensor)))
    return folder


def _idx(tensor: Tensor) -> bytes:
    unsigned_byte = 8
    header = struct.pack(f">HBB{tensor.ndim}I", 0, unsigned_byte, tensor.ndim, *tensor.shape)
    return header + tensor.to(torch.uint8).numpy().tobytes()
