"""Pairs of images of the same class, from a set that stays the same."""

from typing import cast

import torch
from torch import Tensor
from torch.utils.data import Dataset

from unwarp._typing import Float, Integer
from unwarp.data.distorted_mnist import batch_count
from unwarp.data.generators import Stream, generator_for

__all__ = ["PairBatches"]


class PairBatches(Dataset[tuple[int, int, Tensor, Tensor, Tensor, Tensor]]):
    """Batches of one class each, for one of several learners.

    An item is the class, the learner, images, a random other image of the class for each, places and moves; its key is
    ``(epoch, batch)``. An epoch shows every image once to each learner, and the classes in turn. Places and moves are
    ``(2 n, 2)`` for n images, one for each of them and then for each of the others, uniform in -1..1 along x and y.

    Args:
        images: of all classes.
        labels: the class of each; every class has as many images.
        batch_size: images in a batch.
        seed: everything drawn depends on it, the epoch and the batch alone.
        learners: how many learn the same class, each by itself.
    """

    def __init__(
        self,
        images: Float[Tensor, "n c h w"],
        labels: Integer[Tensor, "n"],
        *,
        batch_size: int,
        seed: int,
        learners: int = 1,
    ) -> None:
        self.seed = seed
        self.batch_size = batch_size
        self.classes: list[Tensor] = [images[labels == label] for label in cast(list[int], labels.unique().tolist())]
        self._parts = batch_count(len(self.classes[0]), batch_size)
        self.num_batches = learners * self._parts * len(self.classes)

    def __getitem__(self, key: tuple[int, int]) -> tuple[int, int, Tensor, Tensor, Tensor, Tensor]:
        epoch, batch = key
        turn, label = divmod(batch, len(self.classes))
        learner, part = divmod(turn, self._parts)
        images = self.classes[label]
        order = torch.randperm(len(images), generator=generator_for(Stream.ORDER, seed=self.seed, epoch=epoch))
        chosen = order[part * self.batch_size : (part + 1) * self.batch_size]
        generator = generator_for(Stream.TRAIN, seed=self.seed, epoch=epoch, batch=batch)
        others = (chosen + 1 + torch.randint(len(images) - 1, chosen.shape, generator=generator)) % len(images)
        places, moves = 2 * torch.rand(2, 2 * len(chosen), 2, generator=generator) - 1
        return label, learner, images[chosen], images[others], places, moves
