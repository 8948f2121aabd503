"""Training by agreement: crops of images of one class should look alike, and unlike the rest of their image."""

from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

import unwarp
from unwarp._typing import Float, Integer, Shaped
from unwarp.models.co_localiser import CROP, CoLocaliser
from unwarp.training.module import ClassificationModule
from unwarp.training.schedules import Plan

__all__ = ["ColocalisationModule", "located", "overlap"]

FRAME = 28  # side of a digit's frame, in pixels
MARGIN = 1.0
_AGREE_FROM, _AGREE_FULLY = 0.6, 0.95  # of the steps
_FARTHEST = 0.45  # that a crop is moved, as a share of half an image
_FARTHEST_AT, _STILL_FROM = 0.15, 0.6  # of the steps


class ColocalisationModule(ClassificationModule):
    """Trains the transformers of a `CoLocaliser` with the triplet hinge loss of appendix A.2.

    For images I_n and I_m of one class, with T their transformers' crops and e the embedding,
    ``max(0, w |e(I_n^T) - e(I_m^T)|^2 - |e(I_n^T) - e(I_n^rand)|^2 + 1)``, and the same with n and m exchanged. The
    random crop of I_n has the scale of its transformer's and lies whole in the image.

    The weight w is 0 in the first 60 % of the steps, then rises to 1 until 95 %; the paper's is 1 throughout. With
    that, crops learn to show nothing before anything else, and then are all alike and without gradient.

    Until agreement counts, crops are moved at random, by up to 0.45 of half the image at 15 % of the steps, less before
    and after: the loss is averaged over a neighbourhood, so that a digit which the crop itself does not reach pulls at
    it too. Without that a crop stays on whatever ink it meets first.

    Logs ``val_loss``, by which the best epoch is chosen, on the training images themselves and with w = 1; and
    ``val_error``, the share of crops that do not overlap a digit's frame by half, which chooses nothing.

    Args:
        model: to train; the embedding stays as it is.
        plan: gives the optimiser and schedule.
        about: plain values to write into each checkpoint.
    """

    monitor = "val_loss"
    trains_by_parts = True  # a batch is of one digit, and trains that digit's transformer

    def __init__(
        self, model: CoLocaliser, plan: Callable[[nn.Module, int], Plan], *, about: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(model, plan, about=about)

    @property
    def co_localiser(self) -> CoLocaliser:
        """The model by its own type."""
        return cast(CoLocaliser, self.model)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:  # noqa: ANN401 - batches of another kind
        """The loss of one batch of pairs. Raises `TrainingError` where it is not finite."""
        label, images, others, places, moves = batch
        done = self.global_step / max(1, int(self.trainer.estimated_stepping_batches))
        moves = _reach(done) * moves
        loss = triplet_loss(self.co_localiser, label, images, others, places, weight=_rise(done), moves=moves)
        self.figures.add("train_loss", loss, weight=len(images))
        self.refuse_non_finite(loss)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:  # noqa: ANN401 - as above
        """The loss and the misses of one batch of the set."""
        images, found = batch
        self._count("val", images, found)
        generator = torch.Generator().manual_seed(batch_idx)
        losses = [self._fixed_loss(images[found[:, 0] == label], label, generator) for label in _labels(found)]
        self.figures.add("val_loss", torch.stack(losses).mean(), weight=len(images))

    def test_step(self, batch: Any, batch_idx: int) -> None:  # noqa: ANN401 - as above
        """The misses of one batch of the set."""
        self._count("test", *batch)

    def _fixed_loss(self, images: Tensor, label: int, generator: torch.Generator) -> Tensor:
        places = (2 * torch.rand(2 * len(images), 2, generator=generator) - 1).to(images.device)
        return triplet_loss(self.co_localiser, label, images, images.roll(1, 0), places, weight=1.0)

    def _count(self, stage: str, images: Tensor, found: Tensor) -> None:
        self.figures.add(f"{stage}_error", 100 * (~located(self.co_localiser, images, found)).float())


def triplet_loss(
    model: CoLocaliser,
    label: int,
    images: Float[Tensor, "batch channels h w"],
    others: Float[Tensor, "batch channels h w"],
    places: Float[Tensor, "both 2"],
    *,
    weight: float,
    moves: Float[Tensor, "both 2"] | None = None,
) -> Tensor:
    """The hinge loss of pairs of images of one class, each against the other.

    Args:
        model: whose transformer for ``label`` crops the images.
        label: the class.
        images: I_n.
        others: I_m.
        places: of the random crops of the images and then of the others, -1..1 between the ends that keep a crop in
            the image.
        weight: of the distance between the two images' crops.
        moves: of the crops of both, as in `CoLocaliser.crop`.
    """
    both = torch.cat([images, others])
    crops, theta = model.crop(both, label, moves)
    scale = theta[:, :1].detach()
    elsewhere = torch.cat([scale, (1 - scale) * places], dim=1)
    with torch.no_grad():
        random = model.embedding(unwarp.warp(both, elsewhere, "attention", (CROP, CROP)))
    seen = model.embedding(crops)
    apart = (seen[: len(images)] - seen[len(images) :]).square().sum(1).repeat(2)
    off = (seen - random).square().sum(1)
    return (weight * apart - off + MARGIN).relu().mean()


def located(
    model: CoLocaliser, images: Float[Tensor, "batch channels h w"], found: Integer[Tensor, "batch 3"]
) -> Shaped[Tensor, "batch"]:
    """Whether each crop's frame overlaps the digit's by more than half (intersection over union).

    Args:
        model: that looks.
        images: what it looks at.
        found: ``(label, row, column)`` of each digit's frame.
    """
    theta = model(images, found[:, 0])
    return overlap(theta, found[:, 1:], images.shape[-2:]) > 0.5


def overlap(
    theta: Float[Tensor, "batch 3"], corner: Integer[Tensor, "batch 2"], size: tuple[int, ...]
) -> Float[Tensor, "batch"]:
    """Intersection over union of an attention crop and a digit's frame of 28 x 28 pixels.

    Args:
        theta: of the crop, ``(s, t_x, t_y)``.
        corner: upper left corner of the digit's frame, ``(row, column)`` in pixels.
        size: height and width of the image.
    """
    half = theta.new_tensor([size[1], size[0]]) / 2
    reach = theta[:, :1].abs() * half
    centre = (theta[:, 1:] + 1) * half
    first = corner.flip(1).to(theta.dtype)
    shared = torch.minimum(centre + reach, first + FRAME) - torch.maximum(centre - reach, first)
    intersection = shared.clamp(min=0).prod(1)
    return intersection / ((2 * reach).prod(1) + FRAME**2 - intersection)


def _rise(done: float) -> float:
    return min(1.0, max(0.0, (done - _AGREE_FROM) / (_AGREE_FULLY - _AGREE_FROM)))


def _reach(done: float) -> float:
    """How far crops are moved."""
    return _FARTHEST * max(0.0, min(done / _FARTHEST_AT, (_STILL_FROM - done) / (_STILL_FROM - _FARTHEST_AT)))


def _labels(found: Tensor) -> list[int]:
    return cast(list[int], found[:, 0].unique().tolist())
