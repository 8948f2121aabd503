"""Train a network on one's own folder of pictures: read, divide, build, train, test, record."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from unwarp.data.picture_batches import FixedPictures
from unwarp.data.picture_folder import Parts, PictureFolder, digest, divide, scan
from unwarp.data.picture_store import PictureStore, Survey, open_store
from unwarp.errors import CheckpointError, DataError
from unwarp.experiments.build import build_device, build_epochs, build_module, build_precision
from unwarp.experiments.claim import working_alone
from unwarp.experiments.experiment import custom_label
from unwarp.experiments.folder_build import build_folder_data, build_folder_model
from unwarp.experiments.folder_config import FolderConfig
from unwarp.experiments.progress import counted
from unwarp.experiments.records import RECORD, Record, write_record
from unwarp.experiments.starting_point import starting_point
from unwarp.experiments.train_and_test import commit, train_and_test
from unwarp.training.checkpoints import read_checkpoint
from unwarp.training.devices import Devices, is_writer
from unwarp.training.fit import ALONE

__all__ = ["FOLDER", "FolderFinished", "folder_root", "held_out_pictures", "run_folder"]

FOLDER = "folder/"
_MAY_DIFFER = ("training.epochs", "training.steps", "training.device", "data.megabytes")
_NAMED = 5  # skipped files in a message
T = TypeVar("T")


@dataclass(frozen=True)
class FolderFinished:
    """What a run on a folder leaves.

    Attributes:
        record: its figures.
        checkpoint: weights of the best epoch.
        model: the network with these weights.
        folder: the pictures.
        survey: what reading them came to.
        counts: pictures for training, validation and test.
    """

    record: Record
    checkpoint: Path
    model: nn.Module
    folder: PictureFolder
    survey: Survey
    counts: tuple[int, int, int]


def folder_root(name: str) -> Path | None:
    """The folder that ``folder/ROOT`` stands for; nothing for the name of an experiment."""
    if not name.startswith(FOLDER):
        return None
    root = Path(name.removeprefix(FOLDER))
    return Path(name) if not root.is_dir() and Path(name).is_dir() else root


def run_folder(
    root: Path,
    config: FolderConfig,
    out: Path,
    *,
    seed: int = 0,
    strict: bool = False,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
    devices: Devices = ALONE,
) -> FolderFinished:
    """Train and test on a folder with a subfolder of pictures for each class.

    The same pictures, settings and seed give the same run twice on the same CPU.

    Args:
        root: the folder.
        config: every setting.
        out: where checkpoints, logs and the record go.
        seed: of the division, weights, order and warps.
        strict: stop at a file that would be skipped or converted.
        resume: go on from the last checkpoint in ``out``, if there is one.
        overwrite: start anew in an ``out`` that holds a run.
        progress: draw progress bars.
        devices: how many train together. Every process calls this function and reads the pictures; the first writes.

    Raises:
        DataError: the folder has no classes, or too few pictures that can be read.
        OptionError: ``out`` holds a run, and neither ``resume`` nor ``overwrite`` was asked for; or another process
            works in it; or more devices are to train than there are batches.
        CheckpointError: the last checkpoint is damaged or of another run.
        TrainingError: the loss was not finite.
    """
    devices.join()
    commit()
    folder = scan(root)
    about = _about(folder, config, seed, devices)
    with working_alone(out):
        start = starting_point(out, lambda last: _refuse_other_run(last, about), resume=resume, overwrite=overwrite)
        store, survey = _read(folder, config, strict=strict, progress=progress)
        about["pictures"] = digest(folder, survey.usable)
        if start is not None:
            _refuse_other_pictures(read_checkpoint(start).about, folder.root, about["pictures"])
        labels = [folder.labels[index] for index in survey.usable]
        parts = _divide(folder, config, survey, seed=seed)
        data = build_folder_data(config, store, labels, parts, seed=seed, processes=devices.processes)
        training, device = config.training, build_device(config.training)
        precision = build_precision(training, device)
        torch.manual_seed(seed)
        model = build_folder_model(config, classes=len(folder.classes))
        module = build_module(training, model, precision, about=about)
        epochs = build_epochs(training, batches=len(data.train_dataloader()), processes=devices.processes)
        tested = train_and_test(
            module,
            data,
            out,
            epochs=epochs,
            clip=training.clip,
            precision=precision,
            device=device,
            devices=devices,
            resume=start,
            progress=progress,
        )
        record = tested.record(
            name=about["name"],
            label=custom_label(config.values()) + devices.label,
            seed=seed,
            config=config.values(),
            test_examples=len(parts.test),
        )
        if is_writer():
            write_record(record, out / RECORD)
        counts = (len(parts.training), len(parts.validation), len(parts.test))
        return FolderFinished(record, tested.outcome.best, model, folder, survey, counts)


def held_out_pictures(about: Mapping[str, Any]) -> FixedPictures:
    """The test pictures of a run, found again by its folder, settings and seed.

    Args:
        about: what a checkpoint of the run says about itself.

    Raises:
        DataError: the folder is gone, or other pictures are in it now.
    """
    root, config = Path(str(about["root"])), FolderConfig.read(about["config"])
    if not root.is_dir():
        raise DataError(f"{root}: the folder of the training is gone. Name pictures after the checkpoint.")
    folder = scan(root)
    if list(folder.classes) != list(about["classes"]):
        raise DataError(f"{root}: expected the classes {about['classes']} of the training, found {folder.classes}.")
    store, survey = _read(folder, config, strict=False, progress=False)
    _refuse_other_pictures(about, root, digest(folder, survey.usable))
    labels = [folder.labels[index] for index in survey.usable]
    parts = _divide(folder, config, survey, seed=int(about["seed"]))
    return FixedPictures(store, parts.test, labels, batch_size=config.data.batch_size)


def _divide(folder: PictureFolder, config: FolderConfig, survey: Survey, *, seed: int) -> Parts:
    labels = [folder.labels[index] for index in survey.usable]
    data = config.data
    try:
        return divide(labels, folder.classes, validation=data.validation, test=data.test, seed=seed)
    except DataError as error:
        skipped = "; ".join(f"{path}: {reason}" for path, reason in survey.skipped[:_NAMED])
        raise DataError(f"{error} Skipped: {skipped or 'none'}.") from error


def _about(folder: PictureFolder, config: FolderConfig, seed: int, devices: Devices) -> dict[str, Any]:
    """What the checkpoints of the run say about themselves."""
    return {
        "kind": "folder",
        "name": FOLDER + folder.root.resolve().name,
        "root": str(folder.root.resolve()),
        "classes": list(folder.classes),
        "seed": seed,
        "config": config.values(),
        "processes": devices.processes,
    }


def _read(folder: PictureFolder, config: FolderConfig, *, strict: bool, progress: bool) -> tuple[PictureStore, Survey]:
    return open_store(
        folder.paths,
        config.data.intake,
        most_pixels=int(config.data.megapixels * 1e6),
        memory=config.data.megabytes * 2**20,
        strict=strict,
        shown=partial(_shown, total=len(folder.paths), progress=progress),
    )


def _shown(items: Iterator[T], *, total: int, progress: bool) -> Iterable[T]:
    return counted(items, "reading", total=total, shown=progress)


def _refuse_other_pictures(about: Mapping[str, Any], root: Path, found: str) -> None:
    """With other pictures the division is another one, and some that were trained on would be tested on."""
    if about.get("pictures", found) != found:
        raise DataError(
            f"{root}: expected the pictures of the training, whose names and sizes the checkpoint knows, got others. "
            "Put the folder back as it was, name pictures of your own after the checkpoint, or train anew."
        )


def _refuse_other_run(last: Path, about: dict[str, Any]) -> None:
    given, expected = _flat(read_checkpoint(last).about), _flat(about)
    differing = [key for key in expected if key not in _MAY_DIFFER and given.get(key) != expected[key]]
    if differing:
        shown = ", ".join(f"{key}: expected {expected[key]!r}, got {given.get(key)!r}" for key in differing)
        raise CheckpointError(
            f"checkpoint: {last} is of another run ({shown}). Resume the run it belongs to, "
            "or start anew in another folder with --out."
        )


def _flat(about: dict[str, Any]) -> dict[str, object]:
    sections: dict[str, dict[str, object]] = about["config"]
    settings = {f"{name}.{key}": value for name, section in sections.items() for key, value in section.items()}
    return (
        settings
        | {key: about.get(key) for key in ("kind", "classes", "seed")}
        | {"processes": about.get("processes", 1)}
    )
