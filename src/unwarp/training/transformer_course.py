"""What a transformer does with the same few images in every epoch: for TensorBoard, and for an animation of the run."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor, nn

from unwarp._typing import Float
from unwarp.nn import AbstractSpatialTransformer
from unwarp.training.module import ClassificationModule
from unwarp.training.theta_probe import transformers
from unwarp.viz import transformer_figure
from unwarp.viz.png import pixels_of

__all__ = ["Course", "TransformerCourse", "course_of"]

_CHANNELS = (1, 3)  # of images that can be shown


class Course(NamedTuple):
    """Theta of the same images, epoch by epoch.

    Attributes:
        images: ``(n, channels, height, width)``, 0..1: what the transformer saw.
        thetas: ``(epochs, n, *theta)``.
    """

    images: Float[Tensor, "n channels height width"]
    thetas: Float[Tensor, "epochs n *theta"]


class TransformerCourse(Callback):
    """Keeps theta of the first validation images after every epoch; checkpoints carry it along.

    The network's first transformer is watched, where it sees images in grey or colour. TensorBoard gets the images with
    the sampled region and what was made of them after the epochs 1, 2, 4, 8, ... and the last, and the distribution of
    theta after every epoch.

    Args:
        count: how many images.
    """

    def __init__(self, count: int = 4) -> None:
        self.count = count
        self._images: Tensor | None = None
        self._thetas: list[Tensor] = []

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Tensor | Mapping[str, Any] | None,
        batch: tuple[Tensor, Tensor],
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if batch_idx or trainer.sanity_checking or not isinstance(pl_module, ClassificationModule):
            return
        seen = _look(pl_module.model, batch[0][: self.count])
        if seen is None:
            return
        transformer, images, theta = seen
        # Bytes: four pictures of 448 x 448 then add 2 MB to a checkpoint, not 10.
        self._images = (images.clamp(0, 1) * 255).round().to("cpu", torch.uint8)
        self._thetas.append(theta.float().cpu())
        self._log(trainer, pl_module, transformer, images, theta)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {} if self._images is None else {"images": self._images, "thetas": torch.stack(self._thetas)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        if state_dict:
            self._images, self._thetas = state_dict["images"], list(state_dict["thetas"])

    def _log(
        self,
        trainer: Trainer,
        module: ClassificationModule,
        transformer: AbstractSpatialTransformer,
        images: Tensor,
        theta: Tensor,
    ) -> None:
        boards: list[Any] = [logger.experiment for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]
        epoch = trainer.current_epoch + 1
        for board in boards:
            board.add_histogram("theta", theta.float().cpu(), epoch)
        if boards and (epoch & (epoch - 1) == 0 or epoch == trainer.max_epochs):
            outputs = transformer.sampler.warp(images, theta, transformer.transform, transformer.size)
            figure = transformer_figure(images.float(), outputs.float(), theta.float(), transformer.transform)
            for board in boards:
                board.add_image("transformer", pixels_of(figure, dpi=80), epoch, dataformats="HWC")


def course_of(callbacks: Mapping[str, Any]) -> Course | None:
    """The course that a checkpoint carries; nothing where the run had no transformer that sees images."""
    kept = next((state for name, state in callbacks.items() if name.startswith(TransformerCourse.__name__)), None)
    return Course(kept["images"].float() / 255, kept["thetas"]) if kept else None


def _look(model: nn.Module, images: Tensor) -> tuple[AbstractSpatialTransformer, Tensor, Tensor] | None:
    """The first transformer, what it sees of these images, and its theta."""
    found = next(iter(transformers(model).values()), None)
    if found is None:
        return None
    with torch.no_grad(), _inputs_of(found) as inputs:
        model(images)
        if not inputs or inputs[0].ndim != 4 or inputs[0].shape[1] not in _CHANNELS:
            return None
        return found, inputs[0], found.localise(inputs[0])


@contextmanager
def _inputs_of(module: nn.Module) -> Generator[list[Tensor], None, None]:
    """Collects what a module is called with."""
    inputs: list[Tensor] = []

    def keep(_module: nn.Module, given: tuple[Tensor, ...]) -> None:
        inputs.append(given[0])

    handle = module.register_forward_pre_hook(keep)
    try:
        yield inputs
    finally:
        handle.remove()
