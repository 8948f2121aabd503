"""Run an experiment: build, train, test, record."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from unwarp.errors import CheckpointError
from unwarp.experiments.build import build_data, build_device, build_epochs, build_model, build_module, build_precision
from unwarp.experiments.claim import working_alone
from unwarp.experiments.digits import digits_of
from unwarp.experiments.embedding import adopt_embedding, embedding_of, embedding_settings
from unwarp.experiments.evaluation import characters_misread, located_by_digit
from unwarp.experiments.experiment import Experiment
from unwarp.experiments.records import RECORD, Record, write_record
from unwarp.experiments.starting_point import starting_point
from unwarp.experiments.train_and_test import commit, train_and_test
from unwarp.experiments.trained import refuse_other_run
from unwarp.models.co_localiser import CoLocaliser
from unwarp.models.line_reader import LineReader
from unwarp.training.datamodule import BatchDataModule
from unwarp.training.devices import Devices, is_writer
from unwarp.training.fit import ALONE, CHECKPOINTS, LAST

__all__ = ["Finished", "run"]


@dataclass(frozen=True)
class Finished:
    """What a run leaves.

    Attributes:
        record: its figures.
        record_path: the file they are in.
        checkpoint: weights of the best epoch.
        model: the network with these weights.
    """

    record: Record
    record_path: Path
    checkpoint: Path
    model: nn.Module


def run(
    experiment: Experiment,
    folder: Path,
    *,
    seed: int = 0,
    data_dir: Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
    devices: Devices = ALONE,
) -> Finished:
    """Train and test an experiment. The same seed gives the same run twice on the same CPU.

    Args:
        experiment: what to run.
        folder: where checkpoints, logs and the record go.
        seed: of weights, order and distortions.
        data_dir: folder of the four MNIST files, else they are downloaded once.
        resume: go on from the folder's last checkpoint, if there is one.
        overwrite: start anew in a folder that holds a run.
        progress: draw a progress bar.
        devices: how many train together. Every process calls this function; the first one writes.

    Raises:
        OptionError: the folder holds a run, and neither ``resume`` nor ``overwrite`` was asked for; or another process
            works in it; or more devices are to train than there are batches.
        CheckpointError: the folder's last checkpoint is damaged or of another experiment.
        TrainingError: the loss was not finite.
    """
    devices.join()
    experiment = replace(experiment, label=experiment.label + devices.label)
    commit()
    digits = digits_of(experiment.config.data, data_dir)
    with working_alone(folder):
        start = starting_point(
            folder,
            lambda last: refuse_other_run(last, experiment, seed, digits=digits, processes=devices.processes),
            resume=resume,
            overwrite=overwrite,
        )
        training = experiment.config.training
        device = build_device(training)
        precision = build_precision(training, device)
        data = build_data(experiment.config.data, seed=seed, data_dir=data_dir, starts=experiment.config.model.starts)
        epochs = build_epochs(training, batches=len(data.train_dataloader()), processes=devices.processes)
        torch.manual_seed(seed)
        model = build_model(experiment.config.model, experiment.config.data)
        embedding = embedding_of(experiment.config)
        about = {"name": experiment.name, "seed": seed, "config": experiment.config.values(), "digits": digits}
        about["processes"] = devices.processes
        if embedding is not None:
            about["embedding"] = embedding.config.values()
        module = build_module(training, model, precision, about=about)
        if isinstance(model, CoLocaliser) and embedding is not None and start is None:
            # Its run lies in this run's folder and is taken up again like any other.
            inner = folder / "embedding"
            anew = overwrite and not _fits(inner, embedding, seed, digits, devices)
            part = run(
                embedding,
                inner,
                seed=seed,
                data_dir=data_dir,
                resume=not anew,
                overwrite=anew,
                progress=progress,
                devices=devices,
            )
            adopt_embedding(model, part.model, embedding.config.data, data_dir=data_dir)
        tested = train_and_test(
            module,
            data,
            folder,
            epochs=epochs,
            clip=training.clip,
            precision=precision,
            device=device,
            devices=devices,
            resume=start,
            progress=progress,
        )
        record = tested.record(
            name=experiment.name,
            label=experiment.label,
            seed=seed,
            config=experiment.config.values(),
            test_examples=sum(len(labels) for _, labels in data.whole_test()),
            figures=_figures(model, data),
            embedding=embedding_settings(experiment.config),
            digits=digits,
        )
        if is_writer():
            write_record(record, folder / RECORD)
        return Finished(record, folder / RECORD, tested.outcome.best, model)


def _fits(folder: Path, experiment: Experiment, seed: int, digits: str, devices: Devices) -> bool:
    """Whether the run in a folder is one of this experiment."""
    try:
        last = folder / CHECKPOINTS / f"{LAST}.ckpt"
        refuse_other_run(last, experiment, seed, digits=digits, processes=devices.processes)
    except CheckpointError:
        return False
    return True


def _figures(model: nn.Module, data: BatchDataModule) -> dict[str, float]:
    """What there is to say of a network beside its error."""
    if isinstance(model, CoLocaliser):
        return located_by_digit(model, data.whole_test())
    if isinstance(model, LineReader):
        return {"character error": round(characters_misread(model, data.whole_test()), 4)}
    return {}
