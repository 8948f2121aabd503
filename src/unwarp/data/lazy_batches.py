"""Test and validation sets that are too large to be kept: made again whenever they are asked for."""

import torch
from torch import Tensor
from torch.utils.data import Dataset

from unwarp._typing import Float, Integer
from unwarp.data.distorted_mnist import batch_count
from unwarp.data.generators import Stream, generator_for
from unwarp.data.mnist import Digits
from unwarp.data.task import Task
from unwarp.errors import OptionError

__all__ = ["LazyBatches"]

_CHUNK = 20


class LazyBatches(Dataset[tuple[Tensor, Tensor]]):
    """As `unwarp.data.distorted_mnist.FixedBatches`, without keeping images: 10,000 volumes would be 9 GB.

    The images are the same each time, and do not depend on the batch size.

    Args:
        digits: undistorted digits.
        task: makes images of them, whose answers are the digits' labels.
        batch_size: images in a batch, a multiple of 20; the last holds what is left.
        seed: of the images.

    Raises:
        OptionError: the batch size is no positive multiple of 20.
    """

    def __init__(self, digits: Digits, task: Task, *, batch_size: int, seed: int) -> None:
        if batch_size % _CHUNK:
            raise OptionError(f"batch_size: expected a multiple of {_CHUNK}, got {batch_size}.")
        self.digits = digits
        self.task = task
        self.batch_size = batch_size
        self.seed = seed
        self.num_batches = batch_count(len(digits), batch_size)
        self.labels: Integer[Tensor, "n"] = digits.labels

    def __len__(self) -> int:
        return self.num_batches

    def __getitem__(self, batch: int) -> tuple[Float[Tensor, "b c *size"], Integer[Tensor, "b"]]:
        if not 0 <= batch < self.num_batches:
            raise IndexError(batch)
        first = batch * self.batch_size
        starts = range(first, min(first + self.batch_size, len(self.digits)), _CHUNK)
        images, labels = zip(*(self._chunk(start) for start in starts), strict=True)
        return torch.cat(images), torch.cat(labels)

    def _chunk(self, start: int) -> tuple[Tensor, Tensor]:
        part = self.digits[start : start + _CHUNK]
        generator = generator_for(Stream.FIXED, seed=self.seed, batch=start // _CHUNK)
        return self.task.make(part.images, part.labels, generator)
