"""Batches for the trainer."""

from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

__all__ = ["BatchDataModule"]

Batch = tuple[Tensor, Tensor]


class BatchDataModule(LightningDataModule):
    """Datasets whose items are whole batches.

    The batches are made in the training process: to distort one is a single call of an operator that uses every core
    already, and a worker process would only add copies.

    Args:
        training: batches that may change from epoch to epoch.
        order: keys of ``training`` in the order of an epoch; its ``set_epoch`` is called at the start of each.
        validation: fixed batches that choose the best checkpoint.
        test: fixed batches for the final figure.
    """

    def __init__(
        self,
        training: Dataset[Batch],
        order: Sampler[tuple[int, int]],
        validation: Dataset[Batch],
        test: Dataset[Batch],
    ) -> None:
        super().__init__()
        self.training = training
        self.order = order
        self.validation = validation
        self.test = test

    def train_dataloader(self) -> DataLoader[Batch]:
        """Fresh batches of the current epoch."""
        return DataLoader(self.training, batch_size=None, sampler=self.order)

    def val_dataloader(self) -> DataLoader[Batch]:
        """The validation batches."""
        return DataLoader(self.validation, batch_size=None)

    def test_dataloader(self) -> DataLoader[Batch]:
        """The test batches."""
        return DataLoader(self.test, batch_size=None)
