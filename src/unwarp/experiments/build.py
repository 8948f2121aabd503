"""Settings into objects. Classes are built here and never see a configuration."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import nn

from unwarp.data import mnist, mnist_subset, tasks
from unwarp.data.distorted_mnist import EpochSampler, FixedBatches, FreshBatches
from unwarp.data.lazy_batches import LazyBatches
from unwarp.data.pairs import PairBatches
from unwarp.data.scattered import Scattered, per_class
from unwarp.errors import OptionError
from unwarp.experiments.config import DataConfig, ModelConfig, TrainingConfig
from unwarp.experiments.network_table import build_network
from unwarp.models.co_localiser import CoLocaliser
from unwarp.models.line_reader import LineReader
from unwarp.training.colocalisation_module import ColocalisationModule
from unwarp.training.datamodule import BatchDataModule
from unwarp.training.module import ClassificationModule
from unwarp.training.precision import Precision, fastest
from unwarp.training.reading_module import ReadingModule
from unwarp.training.schedules import Plan, modern, published

__all__ = [
    "build_data",
    "build_device",
    "build_epochs",
    "build_model",
    "build_module",
    "build_plan",
    "build_precision",
    "build_test_batches",
]

VALIDATION_SEED, TEST_SEED = 1001, 1002  # of the fixed distortions: the same images in every run
_EVALUATION_BATCH, _VOLUME_BATCH = 500, 40
_SET = 100  # images of a digit for co-localisation, as in the paper

TestBatches: TypeAlias = FixedBatches | LazyBatches


def build_model(config: ModelConfig, data: DataConfig) -> nn.Module:
    """The network for the images of a task."""
    return build_network(config, tasks.get(data.distortion))


def build_data(config: DataConfig, *, seed: int, data_dir: Path | None = None, starts: int = 1) -> BatchDataModule:
    """Training, validation and test batches.

    Args:
        config: which digits and distortion.
        seed: of the training batches; validation and test are the same in every run.
        data_dir: folder of the four MNIST files, else they are downloaded once.
        starts: `ModelConfig.starts`, each of which learns from all of them.

    Raises:
        OptionError: there are no more digits than those that are held out.
    """
    task = tasks.get(config.distortion)
    if isinstance(task, Scattered):
        return _common_set(config, task, seed=seed, data_dir=data_dir, starts=starts)
    digits = _training_digits(config, data_dir)
    if config.validation >= len(digits):
        raise OptionError(
            f"data.validation: expected 1 to {len(digits) - 1} of the {len(digits)} training digits, got "
            f"{config.validation}."
        )
    training, validation = mnist.hold_out(digits, config.validation)
    fresh = FreshBatches(training, task, batch_size=config.batch_size, seed=seed, bend=config.bend)
    return BatchDataModule(
        training=fresh,
        order=EpochSampler(fresh.num_batches),
        validation=_fixed(validation, task, seed=VALIDATION_SEED),
        test=build_test_batches(config, data_dir=data_dir),
    )


def build_test_batches(config: DataConfig, *, data_dir: Path | None = None) -> TestBatches:
    """The test digits, distorted the same way in every run; for co-localisation the set that it looks at."""
    if isinstance(task := tasks.get(config.distortion), Scattered):
        return _set_of(config, task, data_dir)
    digits = mnist.load("test", data_dir=data_dir) if config.source == "full" else mnist_subset.subset("test")
    return _fixed(digits, task, seed=TEST_SEED)


def build_module(
    config: TrainingConfig,
    model: nn.Module,
    precision: Precision,
    *,
    about: Mapping[str, Any],
) -> ClassificationModule:
    """The training module of a network; its checkpoints carry ``about``.

    Raises:
        OptionError: penalties for a network without a transformer, or for a co-localiser.
    """
    plan, penalties = build_plan(config), config.penalties()
    if isinstance(model, CoLocaliser):
        if penalties:
            raise OptionError(
                f"training: expected no penalties for a co-localiser, got {', '.join(penalties)}. Leave them at 0."
            )
        return ColocalisationModule(model, plan, channels_last=precision.channels_last, about=about)
    if isinstance(model, LineReader):
        return ReadingModule(model, plan, channels_last=precision.channels_last, penalties=penalties, about=about)
    return ClassificationModule(
        model,
        plan,
        channels_last=precision.channels_last,
        label_smoothing=config.label_smoothing,
        penalties=penalties,
        about=about,
    )


def build_device(config: TrainingConfig) -> torch.device:
    """Where to train.

    Raises:
        OptionError: there is no GPU to train on.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise OptionError("training.device: expected cpu or auto, got 'cuda', and torch sees no GPU. Use auto.")
    if config.device != "auto":
        return torch.device(config.device)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def build_epochs(config: TrainingConfig, *, batches: int, processes: int = 1) -> int:
    """How many epochs of so many batches to train.

    Args:
        config: of the training.
        batches: of an epoch.
        processes: that train together; each step takes a batch for each.

    Raises:
        OptionError: there are more processes than batches.
    """
    if batches < processes:
        raise OptionError(
            f"devices: expected at most {batches} processes, as many as there are training batches, got {processes}. "
            "Use fewer, or a smaller data.batch_size."
        )
    return math.ceil(config.steps / (batches // processes)) if config.steps else config.epochs


def build_precision(config: TrainingConfig, device: torch.device) -> Precision:
    """The arithmetic to train with; what is left to the machine is decided here."""
    best = fastest(device)
    dtype = best.dtype if config.precision == "auto" else config.precision
    if config.channels_last != "auto":
        return Precision(dtype, channels_last=config.channels_last == "yes")
    return Precision(dtype, channels_last=dtype == "bfloat16" and best.channels_last)


def _training_digits(config: DataConfig, data_dir: Path | None) -> mnist.Digits:
    return mnist.load("train", data_dir=data_dir) if config.source == "full" else mnist_subset.subset("train")


def _set_of(config: DataConfig, task: Scattered, data_dir: Path | None) -> FixedBatches:
    chosen = per_class(_training_digits(config, data_dir), _SET)
    return FixedBatches(chosen, task, batch_size=_SET, seed=TEST_SEED)


def _common_set(
    config: DataConfig, task: Scattered, *, seed: int, data_dir: Path | None, starts: int
) -> BatchDataModule:
    """Co-localisation learns from the very images that it is asked about, and is told nothing but their digits."""
    images = _set_of(config, task, data_dir)
    pairs = PairBatches(images.images, images.labels[:, 0], batch_size=config.batch_size, seed=seed, learners=starts)
    order = EpochSampler(pairs.num_batches)
    return BatchDataModule(training=pairs, order=order, validation=images, test=images)


def _fixed(digits: mnist.Digits, task: tasks.Task, *, seed: int) -> TestBatches:
    """Kept in memory, but for volumes."""
    if len(task.size) == 3:
        return LazyBatches(digits, task, batch_size=_VOLUME_BATCH, seed=seed)
    return FixedBatches(digits, task, batch_size=_EVALUATION_BATCH, seed=seed)


def build_plan(config: TrainingConfig) -> Callable[[nn.Module, int], Plan]:
    """The optimiser and its schedule, for a model and a number of steps."""
    if config.recipe == "published":
        return partial(published, lr=config.lr, localiser_lr_scale=config.localiser_lr_scale)
    return partial(
        modern,
        lr=config.lr,
        weight_decay=config.weight_decay,
        warmup=config.warmup,
        localiser_lr_scale=config.localiser_lr_scale,
        regression_lr_scale=config.regression_lr_scale,
        hidden="muon" if config.recipe == "muon" else "adamw",
    )
