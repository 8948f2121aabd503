"""Batches for the trainer."""

from typing import Any

from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from unwarp.training.shares import ShareOfKeys, ShareOfRows

__all__ = ["BatchDataModule"]

Batch = tuple[Tensor, Tensor]


class BatchDataModule(LightningDataModule):
    """Datasets whose items are whole batches.

    The batches are made in the training process: to distort one is a single call of an operator that uses every core
    already, and a worker process would only add copies.

    Where several processes train together, each gets its share; see `unwarp.training.shares`.

    Args:
        training: batches that may change from epoch to epoch.
        order: keys of ``training`` in the order of an epoch; its ``set_epoch`` is called at the start of each.
        validation: fixed batches that choose the best checkpoint.
        test: fixed batches for the final figure.
    """

    def __init__(
        self,
        training: Dataset[Any],
        order: Sampler[tuple[int, int]],
        validation: Dataset[Batch],
        test: Dataset[Batch],
    ) -> None:
        super().__init__()
        self.training = training
        self.order = order
        self.validation = validation
        self.test = test

    def train_dataloader(self) -> DataLoader[Any]:
        """Fresh batches of the current epoch."""
        own = ShareOfKeys(self.order, **self._place()) if self._place()["processes"] > 1 else self.order
        return DataLoader(self.training, batch_size=None, sampler=own)

    def val_dataloader(self) -> DataLoader[Batch]:
        """The validation batches."""
        return self._fixed(self.validation)

    def test_dataloader(self) -> DataLoader[Batch]:
        """The test batches."""
        return self._fixed(self.test)

    def whole_test(self) -> DataLoader[Batch]:
        """The test batches, whole also where several processes share them."""
        return DataLoader(self.test, batch_size=None)

    def _fixed(self, batches: Dataset[Batch]) -> DataLoader[Any]:
        place = self._place()
        return DataLoader(ShareOfRows(batches, **place) if place["processes"] > 1 else batches, batch_size=None)

    def _place(self) -> dict[str, int]:
        """Which of how many processes this is; alone without a trainer."""
        if self.trainer is None:
            return {"rank": 0, "processes": 1}
        return {"rank": self.trainer.global_rank, "processes": self.trainer.world_size}
