"""One training run: trainer, loggers, checkpoints, progress bar, resume."""

import logging
import signal
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.utilities.exceptions import SIGTERMException

from unwarp.errors import OptionError
from unwarp.training.checkpoint_files import WholeCheckpoints
from unwarp.training.checkpoints import load_weights, read_checkpoint
from unwarp.training.datamodule import BatchDataModule
from unwarp.training.devices import Devices
from unwarp.training.heap import keep_freed_memory
from unwarp.training.history import History
from unwarp.training.module import ClassificationModule
from unwarp.training.precision import Precision
from unwarp.training.progress_bar import ProgressBar
from unwarp.training.theta_statistics import ThetaStatistics
from unwarp.training.transformer_course import TransformerCourse

__all__ = ["Outcome", "Terminated", "fit", "test_error"]

CHECKPOINTS = "checkpoints"
BEST, LAST = "best", "last"
ALONE = Devices()


class Terminated(KeyboardInterrupt):
    """The process was asked to end (SIGTERM); like Ctrl-C, but for the exit code of the program."""


class Outcome(NamedTuple):
    """What a training run gave.

    Attributes:
        best: checkpoint of the epoch with the smallest validation error, or what else the module monitors.
        last: checkpoint of the last epoch.
        history: one row of logged figures an epoch.
        seconds: spent in the epochs.
    """

    best: Path
    last: Path
    history: list[dict[str, float]]
    seconds: float


def fit(
    module: ClassificationModule,
    data: BatchDataModule,
    folder: Path,
    *,
    epochs: int,
    clip: float = 0.0,
    precision: Precision,
    device: torch.device,
    devices: Devices = ALONE,
    resume: Path | None = None,
    progress: bool = True,
) -> Outcome:
    """Train, with a checkpoint after every epoch.

    Args:
        module: what to train.
        data: its batches.
        folder: where the run's files go: ``checkpoints/`` with ``best.ckpt`` and ``last.ckpt``, and ``logs/``.
        epochs: how many to train.
        clip: largest norm of the gradient; 0 does not clip.
        precision: arithmetic of the network.
        device: where to train.
        devices: how many of them; every process calls this function.
        resume: checkpoint to go on from.
        progress: draw a progress bar.

    Raises:
        TrainingError: the loss was not finite.
        Terminated: the process was asked to end.
        CheckpointError: ``resume`` is no checkpoint, or of another model.
        OptionError: ``resume`` has been trained for more epochs already; or torchrun or SLURM has started another
            number of processes.
    """
    devices.join()
    if module.trains_by_parts:
        devices = devices.leaving_parameters_out()
    if resume is not None:  # a misfit is refused before anything is written
        checkpoint = read_checkpoint(resume)
        load_weights(module.model, checkpoint)
        if checkpoint.epoch > epochs:
            raise OptionError(
                f"epochs: expected at least the {checkpoint.epoch} that {resume} has been trained for, got {epochs}. "
                "Train anew in another folder with --out."
            )
    if device.type == "cpu":
        keep_freed_memory()
    history = History()
    callbacks: list[Callback] = [ThetaStatistics(), TransformerCourse(), history, *_checkpoints(folder, module.monitor)]
    if progress:
        callbacks.append(ProgressBar(refresh_rate=10))
    with _quiet(), _interruptible():
        trainer = Trainer(
            default_root_dir=folder,
            max_epochs=epochs,
            gradient_clip_val=clip or None,
            callbacks=callbacks,
            logger=[CSVLogger(folder / "logs", name="csv"), TensorBoardLogger(folder / "logs", name="tensorboard")],
            **_common(precision, device, devices, progress=progress),
        )
        trainer.fit(module, datamodule=data, ckpt_path=resume, weights_only=True)
        _heed(trainer)
    best, last = (folder / CHECKPOINTS / f"{name}.ckpt" for name in (BEST, LAST))
    return Outcome(best, last, history.epochs, history.seconds)


def test_error(
    module: ClassificationModule,
    data: BatchDataModule,
    *,
    precision: Precision,
    device: torch.device,
    devices: Devices = ALONE,  # noqa: PT028 - not a test
) -> float:
    """Errors on the test batches, in percent, with the weights the module has.

    Raises:
        Terminated: the process was asked to end.
    """
    with _quiet(), _interruptible():
        trainer = Trainer(
            logger=False, enable_checkpointing=False, **_common(precision, device, devices, progress=False)
        )
        (figures,) = trainer.test(module, datamodule=data, verbose=False)
        _heed(trainer)
    return figures["test_error"]


def _checkpoints(folder: Path, monitor: str) -> tuple[ModelCheckpoint, ModelCheckpoint]:
    """Keep the best epoch and, for resuming, the last: second, so that it carries what the first one knows."""
    common: dict[str, Any] = {
        "dirpath": folder / CHECKPOINTS,
        "enable_version_counter": False,
        "save_on_train_epoch_end": True,  # after the epoch's history row, which the checkpoint carries
    }
    return ModelCheckpoint(filename=BEST, monitor=monitor, **common), ModelCheckpoint(filename=LAST, **common)


def _common(precision: Precision, device: torch.device, devices: Devices, *, progress: bool) -> dict[str, Any]:
    return {
        "accelerator": device.type,
        **devices.options(),
        "precision": "bf16-mixed" if precision.dtype == "bfloat16" else "32-true",
        "num_sanity_val_steps": 0,
        "plugins": [WholeCheckpoints()],
        "enable_progress_bar": progress,
        "enable_model_summary": False,
    }


@contextmanager
def _quiet() -> Generator[None, None, None]:
    """Keep the trainer from advising what was decided on purpose."""
    chatter = logging.getLogger("lightning.pytorch")
    level = chatter.level
    chatter.setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # Batches are made by one multi-threaded call; see BatchDataModule.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        # One epoch of a small set has fewer steps than the trainer's logging interval; figures are logged by the epoch.
        warnings.filterwarnings("ignore", message=".*is smaller than the logging interval.*")
        # Lightning 2.6 asks torch 2.13 for something in a way that torch calls old.
        warnings.filterwarnings("ignore", message=".*LeafSpec.*is deprecated", category=FutureWarning)
        # Figures of theta are those of the first process's images; the losses and errors are of all.
        warnings.filterwarnings("ignore", message=".*It is recommended to use `self.log.*sync_dist=True.*")
        # Resuming writes into the folder of the run on purpose.
        warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty.*")
        try:
            yield
        finally:
            chatter.setLevel(level)


@contextmanager
def _interruptible() -> Generator[None, None, None]:
    """Undo the trainer's answers to Ctrl-C and SIGTERM.

    It leaves the program: at Ctrl-C with a deaf ear to the next one, at SIGTERM as if the work were done.
    """
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SIGTERMException as leaving:
        raise Terminated from leaving
    except SystemExit as leaving:
        if not isinstance(leaving.__context__, KeyboardInterrupt):
            raise
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from leaving


def _heed(trainer: Trainer) -> None:
    """A SIGTERM in the last batch is noted by the trainer, and no more."""
    if trainer.received_sigterm:
        raise Terminated
