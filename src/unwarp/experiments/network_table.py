"""The networks of the experiments by name, for the images of a task."""

from collections.abc import Callable
from typing import Any

from torch import nn

from unwarp.data.task import Task
from unwarp.experiments.config import ModelConfig
from unwarp.models import CNN, FCN, st_cnn, st_fcn
from unwarp.models.co_localiser import CoLocaliser
from unwarp.models.later_transformers import ic_st_cnn, shared_st_cnn
from unwarp.models.line_reader import crnn, st_crnn
from unwarp.models.parallel_classifier import two_st_fcn
from unwarp.models.sequence_reader import recurrent_st_cnn, sequence_cnn
from unwarp.models.volume_classifier import CNN3D, st_volume
from unwarp.transforms import TRANSFORMS, AbstractTransform, Bounded, ThinPlateSpline

__all__ = ["build_network"]

_NETWORKS: dict[str, tuple[Callable[..., nn.Module], tuple[str, ...]]] = {
    "fcn": (FCN, ()),
    "cnn": (CNN, ()),
    "st-fcn": (st_fcn, ("transform", "pooling", "output_size")),
    "st-cnn": (st_cnn, ("transform", "pooling", "output_size")),
    "2xst-fcn": (two_st_fcn, ("transform", "pooling")),
    "ic-st-cnn": (ic_st_cnn, ("transform", "pooling")),
    "shared-st-cnn": (shared_st_cnn, ("transform",)),
    "cnn-3d": (CNN3D, ()),
    "st-cnn-3d": (st_volume, ("pooling",)),
    "co-localiser": (CoLocaliser, ("starts",)),
    "sequence-cnn": (sequence_cnn, ("answers",)),
    "recurrent-st-cnn": (recurrent_st_cnn, ("transform", "answers")),
    "crnn": (crnn, ()),
    "st-crnn": (st_crnn, ("transform",)),
}
"""Name in the settings -> what makes it, and which of the settings below it takes."""


def build_network(config: ModelConfig, task: Task) -> nn.Module:
    """The network of these settings for the images of a task."""
    network, taken = _NETWORKS[config.network]
    options: dict[str, Any] = {"pooling": config.pooling, "answers": config.answers, "starts": config.starts}
    options["output_size"] = (config.output, config.output) if config.output else None
    if "transform" in taken:
        options["transform"] = _transform(config)
    own = {name: options[name] for name in taken}
    return network(task.size, channels=task.channels, classes=task.classes, width=config.width, **own)


def _transform(config: ModelConfig) -> AbstractTransform:
    """The family. Those of readers have limits: while the CTC loss says little, theta would leave the picture."""
    if config.network == "st-crnn":
        return Bounded(_unlimited(config, rows=2))  # of a spline, one row above the line and one below
    return _unlimited(config, rows=config.control)


def _unlimited(config: ModelConfig, *, rows: int) -> AbstractTransform:
    if config.transform == "thin_plate_spline":
        return ThinPlateSpline(control=(rows, config.control))
    return TRANSFORMS[config.transform]()
