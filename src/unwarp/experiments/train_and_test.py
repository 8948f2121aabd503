"""What every run does with a network that has been built: train it, test its best epoch, record both."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import torch

from unwarp.experiments import provenance
from unwarp.experiments.records import Record
from unwarp.training.checkpoints import load_weights, read_checkpoint
from unwarp.training.datamodule import BatchDataModule
from unwarp.training.devices import Devices
from unwarp.training.fit import Outcome, fit, test_error
from unwarp.training.module import ClassificationModule
from unwarp.training.precision import Precision

__all__ = ["Tested", "commit", "train_and_test"]


@cache
def commit() -> str | None:
    """The commit of unwarp, looked up once a process: call it first, the sources may be others when a training ends."""
    return provenance.commit()


@dataclass(frozen=True)
class Tested:
    """A trained network and its error.

    Attributes:
        outcome: of the training.
        error: of the best epoch's weights, in percent of the test examples.
        monitor: what told the best epoch.
        parameters: trained numbers in the network.
        precision: arithmetic it ran in.
        device: where it ran.
    """

    outcome: Outcome
    error: float
    monitor: str
    parameters: int
    precision: Precision
    device: torch.device

    def record(
        self,
        *,
        name: str,
        label: str,
        seed: int,
        config: dict[str, Any],
        test_examples: int,
        figures: dict[str, float] | None = None,
        embedding: dict[str, Any] | None = None,
        digits: str | None = None,
    ) -> Record:
        """The record of the run.

        Args:
            name: of the experiment.
            label: of its settings.
            seed: of the run.
            config: every setting.
            test_examples: how many there are.
            figures: what an experiment has to say besides.
            embedding: every setting of a co-localiser's classifier.
            digits: digest of the digits.
        """
        best = min(self.outcome.history, key=lambda row: row[self.monitor])
        return Record(
            name=name,
            label=label,
            seed=seed,
            test_error=round(self.error, 4),
            validation_error=best["val_error"],
            parameters=self.parameters,
            seconds=round(self.outcome.seconds, 1),
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
            commit=commit(),
            precision=self.precision._asdict(),
            config=config,
            machine=provenance.machine(self.device),
            versions=provenance.versions(),
            history=self.outcome.history,
            test_examples=test_examples,
            figures=figures or {},
            embedding=embedding or {},
            digits=digits,
        )


def train_and_test(
    module: ClassificationModule,
    data: BatchDataModule,
    folder: Path,
    *,
    epochs: int,
    clip: float,
    precision: Precision,
    device: torch.device,
    devices: Devices,
    resume: Path | None,
    progress: bool,
) -> Tested:
    """Train as ``fit`` does, then leave the best epoch's weights in the network, on the CPU and ready to be used.

    Raises:
        CheckpointError: the checkpoint to resume from is damaged.
        TrainingError: the loss was not finite.
    """
    outcome = fit(
        module,
        data,
        folder,
        epochs=epochs,
        clip=clip,
        precision=precision,
        device=device,
        devices=devices,
        resume=resume,
        progress=progress,
    )
    load_weights(module.model, read_checkpoint(outcome.best))
    error = test_error(module, data, precision=precision, device=device, devices=devices)
    module.model.eval().cpu()
    parameters = sum(parameter.numel() for parameter in module.model.parameters())
    return Tested(outcome, error, module.monitor, parameters, precision, device)
