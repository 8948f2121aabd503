"""Pictures of a trained transformer: the paper's figure, the distribution of theta, animations."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from unwarp.errors import CheckpointError, OptionError
from unwarp.experiments.located_pictures import draw_located
from unwarp.experiments.network_files import Network, transformer_of
from unwarp.experiments.shown_pictures import ShownPictures
from unwarp.models.co_localiser import CoLocaliser
from unwarp.nn import InverseCompositionalTransformer
from unwarp.training.checkpoints import read_checkpoint
from unwarp.training.fit import LAST
from unwarp.training.transformer_course import Course, course_of
from unwarp.viz import show_transformer, theta_distribution, transformer_frames
from unwarp.viz.style import new_figure, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_distribution", "draw_figure", "draw_frames"]

_BATCH = 100
_LONGEST_NAME = 18
_MOST_FRAMES = 60


def draw_figure(network: Network, shown: ShownPictures) -> "Figure":
    """Inputs with the sampled region on them, each beside what the transformer made of it, and what it was read as."""
    if isinstance(network.model, CoLocaliser) and shown.found is not None:
        return draw_located(network.model, shown.images, shown.found, names=shown.names, title=network.name)
    answers = network.answers(shown.images)
    captions = [f"{_short(name)} read as {_short(answer)}" for name, answer in zip(shown.names, answers, strict=True)]
    return show_transformer(transformer_of(network), shown.images, captions=captions, title=network.name)


def draw_distribution(network: Network, shown: ShownPictures) -> "Figure":
    """How theta is distributed over pictures."""
    transformer = transformer_of(network)
    with torch.no_grad():
        parts = [shown.images[start : start + _BATCH] for start in range(0, len(shown), _BATCH)]
        theta = torch.cat([transformer.localise(part) for part in parts])
    rank = len(transformer.transform.theta_shape)
    figure = new_figure(7, 4)
    ax = figure.add_subplot()
    theta_distribution(theta.flatten(0, theta.ndim - 1 - rank), transformer.transform, ax=ax)
    ax.set_title(f"{plain(network.name)}: theta of {len(shown):,} pictures", loc="left", fontsize=10)
    return figure


def draw_frames(network: Network, path: Path, shown: ShownPictures) -> "tuple[list[Figure], str]":
    """Frames of an animation, and what it shows: the steps of a transformer that has steps, else the training run.

    Raises:
        OptionError: there is neither.
    """
    transformer = transformer_of(network)
    if isinstance(transformer, InverseCompositionalTransformer):
        with torch.no_grad():
            thetas = transformer.trajectory(shown.images).transpose(0, 1)
        start = transformer.transform.identity().expand_as(thetas[:1])
        labels = [f"step {step} of {transformer.steps}" for step in range(transformer.steps + 1)]
        return transformer_frames(transformer, shown.images, torch.cat([start, thetas]), labels=labels), "steps"
    course = _longest_course(network, path)
    if course is None or len(course.thetas) < 1:
        raise OptionError(f"--gif: {path} does not carry the course of its training. Train again, or leave --gif out.")
    epochs = _spread(len(course.thetas))
    labels = [f"epoch {epoch + 1}" for epoch in epochs]
    return transformer_frames(transformer, course.images, course.thetas[epochs], labels=labels), "training run"


def _longest_course(network: Network, path: Path) -> Course | None:
    """The best checkpoint ends where it was best: the last one beside it knows the whole run."""
    last = path.with_name(f"{LAST}.ckpt")
    if not last.is_file():
        return network.course
    try:
        checkpoint = read_checkpoint(last)
    except CheckpointError:
        return network.course
    return course_of(checkpoint.callbacks) if checkpoint.about == network.about else network.course


def _spread(epochs: int) -> list[int]:
    """At most so many epochs, evenly spread, the first and the last among them."""
    if epochs <= _MOST_FRAMES:
        return list(range(epochs))
    return [round(frame * (epochs - 1) / (_MOST_FRAMES - 1)) for frame in range(_MOST_FRAMES)]


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"...{name[3 - _LONGEST_NAME :]}"
