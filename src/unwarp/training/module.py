"""The training loop's view of a classifier."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from lightning import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from unwarp.errors import TrainingError
from unwarp.nn import ThetaPenalty
from unwarp.training.checkpoints import ABOUT
from unwarp.training.epoch_figures import EpochFigures
from unwarp.training.schedules import Plan
from unwarp.training.theta_probe import ThetaProbe

__all__ = ["ClassificationModule"]

Batch = tuple[Tensor, Tensor]

SHOWN = ("train_loss", "val_error")
"""Figures beside the progress bar."""


class ClassificationModule(LightningModule):
    """Trains a classifier with cross-entropy, and counts its errors.

    Logs ``train_loss``, ``train_error``, ``val_loss``, ``val_error`` and ``test_error`` once an epoch; errors are in
    percent. The weights themselves stay in ``model``, a plain module that needs no trainer.

    Args:
        model: maps images to logits, ``(batch, classes)`` or ``(batch, answers, classes)``.
        plan: gives the optimiser and schedule for a model and a number of steps.
        channels_last: lay images and filters out with the channels innermost.
        label_smoothing: share of each training label that is spread over all classes.
        penalties: weights of `unwarp.nn.ThetaPenalty`, which is added to the training loss and logged as
            ``train_penalty``.
        about: plain values to write into each checkpoint, so that a file says what it holds.
    """

    monitor = "val_error"
    """What the best epoch has least of."""

    trains_by_parts = False
    """Whether a step leaves some parameters without a gradient."""

    def __init__(
        self,
        model: nn.Module,
        plan: Callable[[nn.Module, int], Plan],
        *,
        channels_last: bool = False,
        label_smoothing: float = 0.0,
        penalties: Mapping[str, float] | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self._channels_last = channels_last
        for layer in model.modules():
            if isinstance(layer, (nn.Conv2d, nn.Conv3d)):
                layer.weight.data = self._laid_out(layer.weight.data)
        self.model: nn.Module = model
        self._plan = plan
        self._label_smoothing = label_smoothing
        self._penalty = ThetaPenalty(model, **penalties) if penalties else None
        self._about = dict(about or {})
        self.probe = ThetaProbe(model)
        self.figures = EpochFigures()

    def forward(self, images: Tensor) -> Tensor:
        """Logits of a batch of images."""
        return self.model(self._laid_out(images))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of one batch.

        Raises:
            TrainingError: it is not finite.
        """
        return self.penalised(self._step("train", batch), count=len(batch[1]))

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Count the errors in one validation batch."""
        self._step("val", batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Count the errors in one test batch."""
        self._step("test", batch)

    def on_fit_start(self) -> None:
        """Forget what an interrupted epoch has left."""
        self.figures = EpochFigures()

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:  # noqa: ANN401 - Lightning's own
        """Log the epoch's means with its last batch, before any callback looks for them."""
        if self.trainer.is_last_batch:
            self._report("train")

    def on_validation_epoch_end(self) -> None:
        """Log the means."""
        self._report("val")

    def on_test_epoch_end(self) -> None:
        """Log the means."""
        self._report("test")

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The plan for this model and the trainer's number of steps."""
        optimiser, schedule = self._plan(self.model, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Say in the checkpoint what it holds."""
        checkpoint[ABOUT] = self._about

    def _step(self, stage: str, batch: Batch) -> Tensor:
        images, labels = batch
        logits = self(images).float().flatten(0, -2)  # one row an answer, also where an image asks for several
        uncertain = labels.is_floating_point()  # a probability for each class
        labels = labels if uncertain else labels.flatten()
        smoothing = self._label_smoothing if stage == "train" else 0.0
        loss = F.cross_entropy(logits, labels, label_smoothing=smoothing)
        wrong = logits.argmax(dim=1) != (labels.argmax(dim=1) if uncertain else labels)
        self.figures.add(f"{stage}_loss", loss, weight=len(labels))
        self.figures.add(f"{stage}_error", 100 * wrong.float())
        return loss

    def _report(self, stage: str) -> None:
        for name, mean in self.figures.means(stage).items():
            self.log(name, mean, on_step=False, on_epoch=True, prog_bar=name in SHOWN, batch_size=1)

    def _laid_out(self, tensor: Tensor) -> Tensor:
        if not self._channels_last:
            return tensor.contiguous()
        # Not by contiguous(): with one channel both orders are the same to it, and what torch's layers make of strides
        # that could mean either is slower by half.
        return tensor.to(memory_format=torch.channels_last_3d if tensor.ndim == 5 else torch.channels_last)

    def penalised(self, loss: Tensor, *, count: int) -> Tensor:
        """The loss of a training batch of ``count`` images with the penalties of theta, if there are any.

        Raises:
            TrainingError: it is not finite.
        """
        if self._penalty is not None:
            penalty = self._penalty()
            self.figures.add("train_penalty", penalty, weight=count)
            loss = loss + penalty
        self.refuse_non_finite(loss)
        return loss

    def refuse_non_finite(self, loss: Tensor) -> None:
        """Raise `TrainingError` for a loss that is not finite."""
        if torch.isfinite(loss):
            return
        raise TrainingError(
            f"loss: expected a finite value, got {loss.item()} in epoch {self.current_epoch + 1}, step "
            f"{self.global_step + 1}. {self.probe.describe()} Train with a smaller learning rate "
            "(training.lr), or a smaller one for the localiser alone (training.localiser_lr_scale)."
        )
