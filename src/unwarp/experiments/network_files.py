"""A trained network, whatever file it comes in: a checkpoint of a run, or exported weights with their card."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from unwarp.data import tasks
from unwarp.data.intake import Intake
from unwarp.data.lines import ALPHABET, Lines
from unwarp.errors import CheckpointError, OptionError
from unwarp.experiments.build import build_model
from unwarp.experiments.config import ExperimentConfig
from unwarp.experiments.folder_build import build_folder_model
from unwarp.experiments.folder_config import FolderConfig
from unwarp.export import card_path, read_weights
from unwarp.metrics import best_path
from unwarp.models.co_localiser import CoLocaliser
from unwarp.models.line_reader import LineReader
from unwarp.nn import AbstractSpatialTransformer
from unwarp.training.checkpoints import Checkpoint, load_weights, read_checkpoint
from unwarp.training.theta_probe import transformers
from unwarp.training.transformer_course import Course, course_of

__all__ = ["Network", "intake_of", "load_network", "transformer_of"]


class Network(NamedTuple):
    """A network and what belongs to it.

    Attributes:
        about: what its run wrote beside the weights: name, seed, settings, and of a folder its root and classes.
        epoch: after how many epochs.
        model: in evaluation mode on the CPU.
        intake: how it sees a picture; nothing where it reads volumes or several pictures at once.
        classes: what its logits stand for.
        course: theta of a few images after every epoch, where the file carries it.
    """

    about: dict[str, Any]
    epoch: int
    model: nn.Module
    intake: Intake | None
    classes: tuple[str, ...]
    course: Course | None

    @property
    def name(self) -> str:
        """Of the experiment, or ``folder/`` and the folder's name."""
        return str(self.about["name"])

    def example(self) -> Tensor:
        """One black picture as the network takes it.

        Raises:
            OptionError: the network takes no pictures.
        """
        intake = self.pictures()
        return torch.zeros(1, intake.channels, intake.height, intake.width)

    def pictures(self) -> Intake:
        """How the network sees a picture.

        Raises:
            OptionError: it takes none.
        """
        if self.intake is None:
            raise OptionError(f"model: expected a network that takes pictures in grey or RGB, got {self.name}.")
        return self.intake

    def answers(self, images: Tensor) -> tuple[str, ...]:
        """What the network reads in each picture."""
        with torch.no_grad():
            logits: Tensor = self.model(images)
        read = best_path(logits) if isinstance(self.model, LineReader) else logits.argmax(-1)
        return tuple(self.spelled(torch.as_tensor(answer, dtype=torch.long)) for answer in read)

    def spelled(self, answer: Tensor) -> str:
        """The name of a class, or several in a row."""
        return "".join(self.classes[int(one)] for one in answer.flatten())


def load_network(path: str | Path, *, allow_import: bool = False) -> Network:
    """Rebuild a network and load its weights: tensors and plain values alone, never code.

    Args:
        path: a ``.ckpt`` of a run, or a ``.safetensors`` with its card beside it.
        allow_import: import and call what the file names where its backbone or localiser is the user's own.

    Raises:
        CheckpointError: the file is neither, or its settings mean nothing to this version.
        OptionError: the file names code to import, and that was not allowed.
    """
    path = Path(path)
    checkpoint = _exported(path) if path.suffix == ".safetensors" else read_checkpoint(path)
    about = checkpoint.about
    try:
        model, intake, classes = _folder(about, allow_import) if about.get("kind") == "folder" else _catalogued(about)
    except (KeyError, TypeError) as error:
        raise CheckpointError(
            f"checkpoint: {path} does not say how its network is built ({error!r}). "
            "Use a checkpoint that `unwarp train` wrote."
        ) from error
    load_weights(model, checkpoint)
    return Network(about, checkpoint.epoch, model.eval(), intake, classes, course_of(checkpoint.callbacks))


def transformer_of(network: Network) -> AbstractSpatialTransformer:
    """The transformer that sees the pictures.

    Raises:
        OptionError: there is none, or, in a co-localiser, one for each digit.
    """
    if isinstance(network.model, CoLocaliser):
        raise OptionError(
            f"model: expected a network with one transformer, got {network.name} with one for each digit. "
            "`unwarp figure` shows what they find."
        )
    found = next(iter(transformers(network.model).values()), None)
    if found is None:
        raise OptionError(
            f"model: expected a network with a spatial transformer, got {network.name} without one. "
            "Train an st- network, or a folder with model.transform=affine."
        )
    return found


def intake_of(task: tasks.Task) -> Intake | None:
    """How a network for a task sees a picture; nothing where the task is about something else."""
    return Intake(*task.size, task.channels) if len(task.size) == 2 and task.channels in (1, 3) else None


def _catalogued(about: Mapping[str, Any]) -> tuple[nn.Module, Intake | None, tuple[str, ...]]:
    config = ExperimentConfig.read(about["config"])
    task = tasks.get(config.data.distortion)
    return build_model(config.model, config.data), intake_of(task), _classes(task)


def _classes(task: tasks.Task) -> tuple[str, ...]:
    return ("", *ALPHABET) if isinstance(task, Lines) else tuple(map(str, range(task.classes)))


def _folder(about: Mapping[str, Any], allow_import: bool) -> tuple[nn.Module, Intake | None, tuple[str, ...]]:
    config = FolderConfig.read(about["config"])
    if config.import_paths and not allow_import:
        raise OptionError(
            f"checkpoint: its network is made by calling {' and '.join(config.import_paths)}. "
            "If you trust the file, let it by --allow-import."
        )
    classes = tuple(map(str, about["classes"]))
    # Weights are loaded over whatever the builder draws: the caller's random numbers stay untouched.
    with torch.random.fork_rng(devices=[]):
        model = build_folder_model(config, classes=len(classes))
    return model, config.data.intake, classes


def _exported(path: Path) -> Checkpoint:
    weights, card = read_weights(path)
    about, epoch = card.get("about"), card.get("epoch")
    if not isinstance(about, dict) or "name" not in about or type(epoch) is not int:
        raise CheckpointError(f"weights: expected {card_path(path)} to be a card that `unwarp export` wrote.")
    return Checkpoint(path, cast("dict[str, Any]", about), weights, epoch, {})
