"""The pictures that a figure shows: files that the user names, or what the network was made for."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from unwarp._typing import Float, Integer
from unwarp.data.distorted_mnist import FixedBatches
from unwarp.data.lazy_batches import LazyBatches
from unwarp.data.picture import MOST_PIXELS
from unwarp.data.picture_batches import FixedPictures
from unwarp.data.picture_store import open_store
from unwarp.errors import OptionError
from unwarp.experiments.apply import find_sources
from unwarp.experiments.build import build_test_batches
from unwarp.experiments.config import ExperimentConfig
from unwarp.experiments.folder_run import held_out_pictures
from unwarp.experiments.network_files import Network
from unwarp.models.co_localiser import CoLocaliser

__all__ = ["ShownPictures", "choose_pictures", "held_out_batches"]

_MOST = 2000  # pictures that tell how theta is distributed
_MOST_BATCHES = 20


class ShownPictures(NamedTuple):
    """Pictures as the network sees them.

    Attributes:
        images: ``(n, channels, height, width)``, 0..1.
        names: the true class of each, or its file.
        labelled: whether the names are classes.
        skipped: ``(path, reason)`` of files that hold no picture.
        converted: ``(path, what was done)`` of pictures that are not quite what the file holds.
        found: for a co-localiser, ``(label, row, column)`` of each digit's frame; the classes take turns.
    """

    images: Float[Tensor, "n channels height width"]
    names: tuple[str, ...]
    labelled: bool
    skipped: Sequence[tuple[Path, str]] = ()
    converted: Sequence[tuple[Path, str]] = ()
    found: Integer[Tensor, "n 3"] | None = None

    def first(self, count: int) -> "ShownPictures":
        """Some of them: the first."""
        found = None if self.found is None else self.found[:count]
        return ShownPictures(self.images[:count], self.names[:count], self.labelled, found=found)

    def __len__(self) -> int:
        return len(self.images)


def choose_pictures(
    network: Network, inputs: Sequence[str], *, data_dir: Path | None = None, most_pixels: int = MOST_PIXELS
) -> ShownPictures:
    """The pictures of the given files, else test digits, else test pictures of the folder it was trained on.

    Args:
        network: what is to see them.
        inputs: folders, files and patterns; none for pictures of the network's own data.
        data_dir: folder of the four MNIST files.
        most_pixels: how many a picture of a file may have.

    Raises:
        DataError: there are none, or the folder is gone.
        OptionError: the network takes no pictures, or is a co-localiser, which must be told which digit to look for.
    """
    if inputs:
        if isinstance(network.model, CoLocaliser):
            raise OptionError(
                f"images: expected none for {network.name}, which has a transformer for each digit and must know whose "
                "turn it is. Leave them out to see the digits it was trained on."
            )
        paths = [source.path for source in find_sources(inputs, Path("/nowhere"))]
        return _of_files(network, paths, most_pixels)
    network.pictures()
    batches = held_out_batches(network, data_dir=data_dir)
    pairs = [batches[index] for index in range(min(len(batches), _MOST_BATCHES))]
    images = torch.cat([images for images, _ in pairs])[:_MOST]
    labels = torch.cat([labels for _, labels in pairs])[:_MOST]
    if isinstance(network.model, CoLocaliser):
        order = _in_turn(labels[:, 0])
        names = tuple(network.spelled(label) for label in labels[order, 0])
        return ShownPictures(images[order], names, labelled=True, found=labels[order])
    return ShownPictures(images, tuple(network.spelled(label) for label in labels), labelled=True)


def _in_turn(labels: Integer[Tensor, "n"]) -> Integer[Tensor, "n"]:
    """An order in which the classes take turns."""
    rank = (labels[:, None] == labels).tril(-1).sum(1)  # of each among those of its class
    return rank.argsort(stable=True)


def _of_files(network: Network, paths: Sequence[Path], most_pixels: int) -> ShownPictures:
    store, survey = open_store(list(paths)[:_MOST], network.pictures(), most_pixels=most_pixels)
    images = store.images(range(len(store))).float() / 255
    names = tuple(paths[index].name for index in survey.usable)
    return ShownPictures(images, names, False, survey.skipped, survey.converted)


def held_out_batches(network: Network, *, data_dir: Path | None = None) -> FixedBatches | LazyBatches | FixedPictures:
    """What the reported error of a network was counted on.

    Raises:
        DataError: the folder that it was trained on is gone.
    """
    if network.about.get("kind") == "folder":
        return held_out_pictures(network.about)
    return build_test_batches(ExperimentConfig.read(network.about["config"]).data, data_dir=data_dir)
