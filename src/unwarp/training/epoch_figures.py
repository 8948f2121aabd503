"""Means over the batches of an epoch."""

from torch import Tensor
from torchmetrics import MeanMetric

__all__ = ["EpochFigures"]


class EpochFigures:
    """Collects figures batch by batch, for one entry in the logs an epoch.

    `lightning.LightningModule.log` called in every step does the same, and is a good part of a small network's step.
    """

    def __init__(self) -> None:
        self._means: dict[str, MeanMetric] = {}

    def add(self, name: str, values: Tensor, weight: int | None = None) -> None:
        """Take part in the mean of a name.

        Args:
            name: of the figure.
            values: one for each image of a batch; or one for all of it, with its weight.
            weight: how often a single value counts.
        """
        if name not in self._means:
            # Looking for NaN would wait for the device in every step. Without that torchmetrics forgets the weights.
            self._means[name] = MeanMetric(nan_strategy="disable").to(values.device)
        values = values.detach()
        self._means[name].update(values if weight is None else values.expand(weight))

    def means(self, prefix: str = "") -> dict[str, Tensor]:
        """The means of all names that start so, over all processes. They start anew."""
        names = [name for name in self._means if name.startswith(prefix)]
        return {name: self._means.pop(name).compute() for name in names}
