"""The course of a training run, epoch by epoch."""

import time
from typing import Any

from lightning import Callback, LightningModule, Trainer
from torch import Tensor

__all__ = ["History"]


class History(Callback):
    """Keeps every logged figure of every epoch, and the seconds the epochs took; checkpoints carry it along.

    Attributes:
        epochs: one row an epoch: ``epoch`` from 1, ``seconds``, and each logged name with its value.
    """

    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = []
        self._started = 0.0

    @property
    def seconds(self) -> float:
        """Seconds spent in all epochs, those before a resume included."""
        return sum(row["seconds"] for row in self.epochs)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._started = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the epoch's row."""
        row = {"epoch": trainer.current_epoch + 1, "seconds": round(time.perf_counter() - self._started, 3)}
        logged = {name: _plain(value) for name, value in trainer.callback_metrics.items()}
        self.epochs.append({**row, **logged})

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"epochs": self.epochs}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.epochs = list(state_dict["epochs"])


def _plain(value: Tensor) -> float:
    return float(f"{value.item():.6g}")
