"""Settings of a folder's run into objects."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import torch
from torch import nn

from unwarp.data.distorted_mnist import EpochSampler
from unwarp.data.picture_batches import FixedPictures, FreshPictures
from unwarp.data.picture_folder import Parts
from unwarp.data.picture_store import PictureStore
from unwarp.errors import OptionError, UnwarpError
from unwarp.experiments.folder_config import FolderConfig, FolderModelConfig
from unwarp.experiments.import_path import build_by_path
from unwarp.models import SmallCNN, TransformedClassifier
from unwarp.nn import ConvLocaliser, DenseLocaliser, InverseCompositionalTransformer, SpatialTransformer
from unwarp.training.datamodule import BatchDataModule
from unwarp.transforms import TRANSFORMS, AbstractTransform

__all__ = ["build_folder_data", "build_folder_model"]

_EVALUATION_BATCH = 100
_LOOKED_AT = 64  # pixels: the localiser needs no more to tell a pose
_SMALLEST_CONV = 28  # pixels that a `ConvLocaliser` needs
_CONTROLLED = ("thin_plate_spline", "b_spline")


def build_folder_model(config: FolderConfig, *, classes: int) -> nn.Module:
    """The network for a folder with that many classes.

    Raises:
        OptionError: a network named by an import path cannot be made, or does not fit the size.
    """
    backbone = _backbone(config, classes)
    if config.model.transform == "none":
        if config.output_size != (config.data.intake.height, config.data.intake.width):
            raise OptionError(
                f"model.height, model.width: expected 0 without a transformer, got {config.output_size}. "
                "Set data.height and data.width."
            )
        return backbone
    size = (config.data.intake.height, config.data.intake.width)
    common: dict[str, Any] = {
        **_padding(config),
        "antialias": _antialias(config, size),
        "features": _features(localiser := _localiser(config, size), config, size),
    }
    transform = _transform(config.model)
    if config.model.steps == 1:
        transformer: nn.Module = SpatialTransformer(localiser, transform, config.output_size, **common)
    else:
        transformer = InverseCompositionalTransformer(
            localiser, transform, config.output_size, steps=config.model.steps, **common
        )
    return TransformedClassifier(transformer, backbone)


def build_folder_data(
    config: FolderConfig, store: PictureStore, labels: list[int], parts: Parts, *, seed: int, processes: int = 1
) -> BatchDataModule:
    """Training, validation and test batches of a divided store; held-out ones have a picture for each process."""
    fresh = FreshPictures(
        store,
        parts.training,
        labels,
        config.augment.augmentation(config.data.background),
        batch_size=config.data.batch_size,
        seed=seed,
    )
    held_out = partial(FixedPictures, store, labels=labels, batch_size=_EVALUATION_BATCH, least=processes)
    return BatchDataModule(
        fresh, EpochSampler(fresh.num_batches), held_out(indices=parts.validation), held_out(indices=parts.test)
    )


def _backbone(config: FolderConfig, classes: int) -> nn.Module:
    """A network from what the transformer hands on to logits."""
    size, channels = config.output_size, config.data.channels
    if config.model.backbone == "small_cnn":
        return SmallCNN(size, channels=channels, classes=classes, filters=config.model.filters)
    offered = {"classes": classes, "channels": channels, "size": size}
    network = build_by_path("model.backbone", config.model.backbone, offered)
    found = _trial(network, channels, size, "model.backbone")
    if found == (classes,):
        return network
    return nn.Sequential(network, nn.Flatten(), nn.Linear(math.prod(found), classes))


def _localiser(config: FolderConfig, size: tuple[int, int]) -> nn.Module:
    """A network from the picture, made small, to features."""
    channels = config.data.channels
    if config.model.localiser != "conv":
        return build_by_path("model.localiser", config.model.localiser, {"channels": channels, "size": size})
    shrink = max(1, min(size) // _LOOKED_AT)
    height, width = (n // shrink for n in size)
    small = [nn.AvgPool2d(shrink)] if shrink > 1 else []
    if min(height, width) < _SMALLEST_CONV:
        return nn.Sequential(*small, DenseLocaliser(channels * height * width))
    return nn.Sequential(*small, ConvLocaliser(channels, (height, width)))


def _padding(config: FolderConfig) -> dict[str, Any]:
    """What the transformer sees outside of a picture: there the background goes on, too."""
    if config.model.padding == "background":
        return {"padding_mode": "fill", "fill_value": "background"}
    if config.model.padding == "fill" and config.data.background:
        return {"padding_mode": "fill", "fill_value": config.data.background}
    return {"padding_mode": "zeros" if config.model.padding == "fill" else config.model.padding}


def _features(localiser: nn.Module, config: FolderConfig, size: tuple[int, int]) -> int:
    return math.prod(_trial(localiser, config.data.channels, size, "model.localiser"))


def _trial(network: nn.Module, channels: int, size: tuple[int, int], key: str) -> tuple[int, ...]:
    """The shape of what a network makes of one image."""
    training = network.training
    try:
        with torch.no_grad():
            found = network.eval()(torch.zeros(1, channels, *size))
    except UnwarpError:
        raise
    except Exception as error:  # whatever a network of someone else's raises at a size it does not like
        raise OptionError(
            f"{key}: expected a network for images of {channels} x {size[0]} x {size[1]}, got {type(error).__name__}: "
            f"{error} Change data.channels, data.height or model.height."
        ) from error
    network.train(training)
    if not isinstance(found, torch.Tensor) or found.ndim < 2:
        raise OptionError(
            f"{key}: expected a network that returns one tensor (batch, ...), got {type(found).__name__}."
        )
    if not found.is_floating_point():
        raise OptionError(f"{key}: expected a network that returns floating-point numbers, got {found.dtype}.")
    return tuple(found.shape[1:])


def _antialias(config: FolderConfig, size: tuple[int, int]) -> bool | float:
    """What the sampler filters: by itself twice the shrink between the two sizes, where there is one."""
    if config.model.antialias:
        return False if config.model.antialias == 1 else config.model.antialias
    shrink = max(given / left for given, left in zip(size, config.output_size, strict=True))
    return float(2 * math.ceil(shrink)) if shrink > 1 else False


def _transform(config: FolderModelConfig) -> AbstractTransform:
    kind = cast("Callable[..., AbstractTransform]", TRANSFORMS[config.transform])
    return kind(control=(config.control,) * 2) if config.transform in _CONTROLLED else kind()
