"""Distorted MNIST as datasets whose items are whole batches.

Distorting a batch at once is what makes fresh distortions cheap. In training each epoch distorts every digit anew; a
test set is distorted once and stays. Both are pure functions of their keys: a run repeats exactly, and a resumed run
continues with the batches that an unbroken one would have seen, whatever the number of workers.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from unwarp._typing import Float, Integer, Shaped
from unwarp.data.augmentation import Augmentation
from unwarp.data.distortions import as_images
from unwarp.data.generators import Stream, generator_for
from unwarp.data.mnist import NUM_CLASSES, Digits
from unwarp.data.task import Task
from unwarp.errors import OptionError

__all__ = ["BACKGROUND", "CHANNELS", "NUM_CLASSES", "EpochSampler", "FixedBatches", "FreshBatches"]

CHANNELS = 1
BACKGROUND = 0.0

_CHUNK = 1000


class FreshBatches(Dataset[tuple[Tensor, Tensor]]):
    """Training batches, shuffled and distorted anew in every epoch.

    An item's key is ``(epoch, batch)``, so a `torch.utils.data.DataLoader` takes it with ``batch_size=None`` and an
    `EpochSampler`.

    Args:
        digits: undistorted digits.
        task: makes images of digits; one of `unwarp.data.tasks.TASKS`.
        batch_size: images in a batch; the last of an epoch holds what is left.
        seed: everything drawn depends on it, the epoch and the batch alone.
        bend: standard deviation of a thin-plate spline's 4 x 4 control points, as a part of the digit's size, by which
            each digit is bent before the task takes it; 0 leaves digits as they were written.

    Raises:
        OptionError: `batch_size` is not positive, or `seed` or `bend` is negative.

    Examples:
        >>> from unwarp.data import distortions, mnist_subset
        >>> fresh = FreshBatches(mnist_subset.subset("train"), distortions.get("rts"), batch_size=256, seed=0)
        >>> images, labels = fresh[0, 3]
        >>> images.shape, labels.shape, fresh.num_batches
        (torch.Size([256, 1, 42, 42]), torch.Size([256]), 24)
    """

    def __init__(self, digits: Digits, task: Task, *, batch_size: int, seed: int, bend: float = 0.0) -> None:
        self.digits = digits
        self.task = task
        self.batch_size = batch_size
        self.seed = seed
        self.num_batches = batch_count(len(digits), batch_size)
        if not bend >= 0:
            raise OptionError(f"bend: expected 0 or more, as a part of the digit's size, got {bend}.")
        # A digit is sampled twice then: a linear kernel would blur it.
        self._bending = Augmentation(bend=bend, mode="bicubic")
        self._order = 0, self._shuffled(0)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Float[Tensor, "b c *size"], Shaped[Tensor, "b *answers"]]:
        epoch, batch = key
        chosen = self._epoch_order(epoch)[batch * self.batch_size : (batch + 1) * self.batch_size]
        generator = generator_for(Stream.TRAIN, seed=self.seed, epoch=epoch, batch=batch)
        digits = self.digits.images[chosen]
        if self._bending.active:
            digits = self._bending.apply(as_images(digits), generator).clamp_(0, 1).squeeze(1)
        return self.task.make(digits, self.digits.labels[chosen], generator)

    def _epoch_order(self, epoch: int) -> Integer[Tensor, "n"]:
        """The epoch's shuffled positions, kept until another epoch is asked for."""
        if self._order[0] != epoch:
            self._order = epoch, self._shuffled(epoch)
        return self._order[1]

    def _shuffled(self, epoch: int) -> Integer[Tensor, "n"]:
        return torch.randperm(len(self.digits), generator=generator_for(Stream.ORDER, seed=self.seed, epoch=epoch))


class EpochSampler(Sampler[tuple[int, int]]):
    """The keys ``(epoch, 0), (epoch, 1), ...`` of one epoch's batches.

    Lightning calls `set_epoch` before every epoch; a plain loop has to call it.
    """

    def __init__(self, num_batches: int) -> None:
        self.num_batches = num_batches
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next iteration, counted from 0."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.num_batches

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((self.epoch, batch) for batch in range(self.num_batches))


class FixedBatches(Dataset[tuple[Tensor, Tensor]]):
    """A test or validation set: every digit distorted once, by the seed, and kept in memory.

    The images do not depend on `batch_size`.

    Args:
        digits: undistorted digits.
        task: makes images of digits; one of `unwarp.data.tasks.TASKS`.
        batch_size: images in a batch; the last holds what is left.
        seed: of the distortions.

    Raises:
        OptionError: `batch_size` is not positive, or `seed` is negative.
    """

    def __init__(self, digits: Digits, task: Task, *, batch_size: int, seed: int) -> None:
        self.task = task
        self.batch_size = batch_size
        self.num_batches = batch_count(len(digits), batch_size)
        images, labels = zip(*make_once(digits, task, seed=seed), strict=True)
        self.images: Float[Tensor, "n c *size"] = torch.cat(images)
        self.labels: Shaped[Tensor, "n *answers"] = torch.cat(labels)

    def __len__(self) -> int:
        return self.num_batches

    def __getitem__(self, batch: int) -> tuple[Float[Tensor, "b c *size"], Shaped[Tensor, "b *answers"]]:
        if not 0 <= batch < self.num_batches:
            raise IndexError(batch)
        part = slice(batch * self.batch_size, (batch + 1) * self.batch_size)
        return self.images[part], self.labels[part]


def distort_once(digits: Digits, task: Task, *, seed: int) -> Float[Tensor, "n c *size"]:
    """The images of a test set, without what is to be read from them."""
    return torch.cat([images for images, _ in make_once(digits, task, seed=seed)])


def make_once(
    digits: Digits, task: Task, *, seed: int
) -> Iterator[tuple[Float[Tensor, "m c *size"], Shaped[Tensor, "m *answers"]]]:
    """Make the images of a test set, in chunks of a fixed size with a generator each."""
    for number, start in enumerate(range(0, len(digits), _CHUNK)):
        part = digits[start : start + _CHUNK]
        yield task.make(part.images, part.labels, generator_for(Stream.FIXED, seed=seed, batch=number))


def batch_count(digits: int, batch_size: int) -> int:
    """Batches that `digits` digits make, the last one smaller where they do not come out even."""
    if batch_size < 1:
        raise OptionError(f"batch_size: expected 1 or more, got {batch_size}.")
    return -(-digits // batch_size)
