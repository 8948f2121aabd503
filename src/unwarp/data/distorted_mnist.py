"""Distorted MNIST as datasets whose items are whole batches.

Distorting a batch at once is what makes fresh distortions cheap. In training each epoch distorts every digit anew; a
test set is distorted once and stays. Both are pure functions of their keys: a run repeats exactly, and a resumed run
continues with the batches that an unbroken one would have seen, whatever the number of workers.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from unwarp._typing import Float, Integer
from unwarp.data.distortions import Distortion
from unwarp.data.generators import Stream, generator_for
from unwarp.data.mnist import NUM_CLASSES, Digits
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
        distortion: one of `unwarp.data.distortions.DISTORTIONS`.
        batch_size: images in a batch; the last of an epoch holds what is left.
        seed: everything drawn depends on it, the epoch and the batch alone.

    Raises:
        OptionError: `batch_size` is not positive, or `seed` is negative.

    Example:
        >>> from unwarp.data import distortions, mnist_subset
        >>> fresh = FreshBatches(mnist_subset.subset("train"), distortions.get("rts"), batch_size=256, seed=0)
        >>> images, labels = fresh[0, 3]
        >>> images.shape, labels.shape, fresh.num_batches
        (torch.Size([256, 1, 42, 42]), torch.Size([256]), 24)
    """

    def __init__(self, digits: Digits, distortion: Distortion, *, batch_size: int, seed: int) -> None:
        self.digits = digits
        self.distortion = distortion
        self.batch_size = batch_size
        self.seed = seed
        self.num_batches = batch_count(len(digits), batch_size)
        self._order = 0, self._shuffled(0)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Float[Tensor, "b 1 h w"], Integer[Tensor, "b"]]:
        epoch, batch = key
        chosen = self._epoch_order(epoch)[batch * self.batch_size : (batch + 1) * self.batch_size]
        generator = generator_for(Stream.TRAIN, seed=self.seed, epoch=epoch, batch=batch)
        return self.distortion.apply(self.digits.images[chosen], generator), self.digits.labels[chosen]

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
        distortion: one of `unwarp.data.distortions.DISTORTIONS`.
        batch_size: images in a batch; the last holds what is left.
        seed: of the distortions.

    Raises:
        OptionError: `batch_size` is not positive, or `seed` is negative.
    """

    def __init__(self, digits: Digits, distortion: Distortion, *, batch_size: int, seed: int) -> None:
        self.distortion = distortion
        self.batch_size = batch_size
        self.num_batches = batch_count(len(digits), batch_size)
        self.images: Float[Tensor, "n 1 h w"] = distort_once(digits, distortion, seed=seed)
        self.labels: Integer[Tensor, "n"] = digits.labels

    def __len__(self) -> int:
        return self.num_batches

    def __getitem__(self, batch: int) -> tuple[Float[Tensor, "b 1 h w"], Integer[Tensor, "b"]]:
        if not 0 <= batch < self.num_batches:
            raise IndexError(batch)
        part = slice(batch * self.batch_size, (batch + 1) * self.batch_size)
        return self.images[part], self.labels[part]


def distort_once(digits: Digits, distortion: Distortion, *, seed: int) -> Float[Tensor, "n 1 h w"]:
    """Distort digits in chunks of a fixed size, each with a generator of its own."""
    chunks = (digits.images[start : start + _CHUNK] for start in range(0, len(digits), _CHUNK))
    numbered = enumerate(chunks)
    return torch.cat([distortion.apply(part, generator_for(Stream.FIXED, seed=seed, batch=i)) for i, part in numbered])


def batch_count(digits: int, batch_size: int) -> int:
    """Batches that `digits` digits make, the last one smaller where they do not come out even."""
    if batch_size < 1:
        raise OptionError(f"batch_size: expected 1 or more, got {batch_size}.")
    return -(-digits // batch_size)
