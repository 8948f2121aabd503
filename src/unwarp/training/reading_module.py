"""The training loop's view of a reader of lines."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unwarp._typing import Float, Integer
from unwarp.metrics import BLANK, best_path, character_error, line_error
from unwarp.training.module import ClassificationModule
from unwarp.training.schedules import Plan

__all__ = ["ReadingModule", "ctc"]


class ReadingModule(ClassificationModule):
    """Trains a reader with the CTC loss, which needs a line's characters but not their places (Graves et al. 2006).

    Logs ``train_loss``, ``val_loss``, ``val_error`` and ``test_error``, the share of lines with a mistake, and
    ``val_character_error`` and ``test_character_error``, edits for each 100 characters; errors are in percent.

    Args:
        model: maps images to the logits of every step, ``(batch, steps, classes)``; class 0 is the blank.
        plan: gives the optimiser and schedule.
        channels_last: lay images and filters out with the channels innermost.
        penalties: weights of `unwarp.nn.ThetaPenalty`, which is added to the training loss.
        about: plain values to write into each checkpoint.
    """

    def __init__(
        self,
        model: nn.Module,
        plan: Callable[[nn.Module, int], Plan],
        *,
        channels_last: bool = False,
        penalties: Mapping[str, float] | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(model, plan, channels_last=channels_last, penalties=penalties, about=about)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """The loss of one batch. Raises `TrainingError` where it is not finite."""
        images, answers = batch
        loss = ctc(self(images), answers)
        self.figures.add("train_loss", loss, weight=len(images))
        return self.penalised(loss, count=len(images))

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Loss and mistakes of one validation batch."""
        images, answers = batch
        logits = self(images)
        self.figures.add("val_loss", ctc(logits, answers), weight=len(images))
        self._count("val", logits, answers)

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Mistakes in one test batch."""
        images, answers = batch
        self._count("test", self(images), answers)

    def _count(self, stage: str, logits: Tensor, answers: Tensor) -> None:
        read = best_path(logits)
        edits, characters = character_error(read, answers)
        lines = torch.tensor(100 * line_error(read, answers) / len(answers), device=logits.device)
        of_characters = torch.tensor(100 * edits / max(1, characters), device=logits.device)
        self.figures.add(f"{stage}_error", lines, weight=len(answers))
        self.figures.add(f"{stage}_character_error", of_characters, weight=characters)


def ctc(logits: Float[Tensor, "batch steps classes"], answers: Integer[Tensor, "batch length"]) -> Tensor:
    """Mean CTC loss of the lines, each divided by its number of characters.

    Args:
        logits: of every step.
        answers: characters, filled up with blanks.
    """
    paths = logits.float().log_softmax(-1).transpose(0, 1)
    steps = torch.full((len(answers),), logits.shape[1], device=logits.device)
    return F.ctc_loss(paths, answers, steps, (answers != BLANK).sum(1), blank=BLANK, zero_infinity=True)
