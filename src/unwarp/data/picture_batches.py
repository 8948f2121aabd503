"""Batches of one's own pictures, as the trainer takes them."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.data import Dataset

from unwarp._typing import Float, Integer
from unwarp.data.augmentation import Augmentation
from unwarp.data.distorted_mnist import batch_count
from unwarp.data.generators import Stream, generator_for
from unwarp.data.picture_store import PictureStore

__all__ = ["FixedPictures", "FreshPictures"]


class FixedPictures(Dataset[tuple[Tensor, Tensor]]):
    """Pictures in their order, as they are.

    Args:
        store: where they are.
        indices: which of them.
        labels: class of each picture of the store.
        batch_size: pictures in a batch; the last holds what is left.
        least: pictures that the last has at least: fewer join the batch before.
    """

    def __init__(
        self, store: PictureStore, indices: Sequence[int], labels: Sequence[int], *, batch_size: int, least: int = 1
    ) -> None:
        self.store = store
        self.indices = list(indices)
        self.labels: Integer[Tensor, "n"] = torch.tensor([labels[index] for index in indices])
        self.batch_size = batch_size
        left = len(self.indices) % batch_size
        self.num_batches = max(1, batch_count(len(self.indices), batch_size) - (0 < left < least))

    def __len__(self) -> int:
        return self.num_batches

    def __getitem__(self, batch: int) -> tuple[Float[Tensor, "b c h w"], Integer[Tensor, "b"]]:
        if not 0 <= batch < self.num_batches:
            raise IndexError(batch)
        end = (batch + 1) * self.batch_size if batch + 1 < self.num_batches else len(self.indices)
        part = slice(batch * self.batch_size, end)
        return self.store.images(self.indices[part]).float() / 255, self.labels[part]


class FreshPictures(Dataset[tuple[Tensor, Tensor]]):
    """Training batches, shuffled and warped anew in every epoch.

    An item's key is ``(epoch, batch)``: a resumed run goes on with the batches of an unbroken one.

    Args:
        store: where the pictures are.
        indices: which of them.
        labels: class of each picture of the store.
        augmentation: random warps.
        batch_size: pictures in a batch. What is left at an epoch's end joins its last batch where it is a single
            picture, which some layers cannot learn from.
        seed: everything drawn depends on it, the epoch and the batch alone.
    """

    def __init__(
        self,
        store: PictureStore,
        indices: Sequence[int],
        labels: Sequence[int],
        augmentation: Augmentation,
        *,
        batch_size: int,
        seed: int,
    ) -> None:
        self.store = store
        self.indices = torch.tensor(list(indices))
        self.labels: Integer[Tensor, "n"] = torch.tensor(list(labels))
        self.augmentation = augmentation
        self.batch_size = batch_size
        self.seed = seed
        self.num_batches = max(1, batch_count(len(self.indices), batch_size) - (len(self.indices) % batch_size == 1))

    def __getitem__(self, key: tuple[int, int]) -> tuple[Float[Tensor, "b c h w"], Integer[Tensor, "b"]]:
        epoch, batch = key
        order = torch.randperm(len(self.indices), generator=generator_for(Stream.ORDER, seed=self.seed, epoch=epoch))
        end = (batch + 1) * self.batch_size if batch + 1 < self.num_batches else len(order)
        chosen = self.indices[order[batch * self.batch_size : end]]
        generator = generator_for(Stream.TRAIN, seed=self.seed, epoch=epoch, batch=batch)
        images = self.store.images(chosen).float() / 255
        return self.augmentation.apply(images, generator), self.labels[chosen]
