"""The classifier by which a co-localiser compares crops: an experiment of its own, run before the co-localiser's."""

from pathlib import Path
from typing import Any, cast

from torch import nn

from unwarp.data import tasks
from unwarp.data.scattered import Scattered
from unwarp.experiments.build import build_data
from unwarp.experiments.config import DataConfig, ExperimentConfig
from unwarp.experiments.experiment import Experiment, choose
from unwarp.models.co_localiser import CoLocaliser

__all__ = ["adopt_embedding", "embedding_of", "embedding_settings"]


def embedding_of(config: ExperimentConfig) -> Experiment | None:
    """The classifier of crops of a co-localiser's task: its width, its digits. ``None`` for other networks."""
    if config.model.network != "co-localiser":
        return None
    data, task = config.data, tasks.get(config.data.distortion)
    settings = [f"data.{key}={getattr(data, key)}" for key in ("source", "validation")]
    settings += [f"data.distortion={cast(Scattered, task).crops}", f"model.width={config.model.width}"]
    return choose("mnist-crops/cnn", settings)


def embedding_settings(config: ExperimentConfig) -> dict[str, Any]:
    """Every setting of that classifier; none for other networks."""
    embedding = embedding_of(config)
    return {} if embedding is None else embedding.config.values()


def adopt_embedding(model: CoLocaliser, classifier: nn.Module, own: DataConfig, *, data_dir: Path | None) -> None:
    """Give a co-localiser its embedding, scaled by digits as the classifier knows them.

    Args:
        model: the co-localiser.
        classifier: trained.
        own: the data it was trained on.
        data_dir: folder of the four MNIST files, else they are downloaded once.
    """
    model.embedding.network.load_state_dict(classifier.state_dict())
    images, chances = next(iter(build_data(own, seed=0, data_dir=data_dir).val_dataloader()))
    model.embedding.calibrate(images[chances.amax(1) == 1])
