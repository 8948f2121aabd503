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

    Where a digit has several transformers, each learns by itself, and the one with the smallest loss is kept, chosen
    anew after every epoch. That loss is taken on the training images themselves, with w = 1.

    Logs ``val_loss``, that loss of those that are kept, by which the best epoch is chosen; and ``val_error``, the share
    of their crops that do not overlap a digit's frame by half, which chooses nothing.

    Args:
        model: to train; the embedding stays as it is.
        plan: gives the optimiser and schedule.
        channels_last: lay filters out with the channels innermost; images have one channel.
        about: plain values to write into each checkpoint.
    """

    monitor = "val_loss"
    trains_by_parts = True  # a batch is of one digit, and trains that digit's transformer

    def __init__(
        self,
        model: CoLocaliser,
        plan: Callable[[nn.Module, int], Plan],
        *,
        channels_last: bool = False,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(model, plan, channels_last=channels_last, about=about)
        self._sums = torch.zeros(3, model.starts, model.classes)  # of loss, misses and images

    @property
    def co_localiser(self) -> CoLocaliser:
        """The model by its own type."""
        return cast(CoLocaliser, self.model)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:  # noqa: ANN401 - batches of another kind
        """The loss of one batch of pairs. Raises `TrainingError` where it is not finite."""
        label, start, images, others, places, moves = batch
        done = self.global_step / max(1, int(self.trainer.estimated_stepping_batches))
        moves = _reach(done) * moves
        model = self.co_localiser
        loss = triplet_loss(model, label, images, others, places, weight=_rise(done), moves=moves, start=start)
        self.figures.add("train_loss", loss, weight=len(images))
        self.refuse_non_finite(loss)
        return loss

    def on_validation_epoch_start(self) -> None:
        """Begin to add up."""
        self._sums = torch.zeros_like(self._sums, device=self.device)

    def validation_step(self, batch: Any, batch_idx: int) -> None:  # noqa: ANN401 - as above
        """The loss and the misses of one batch of the set, of every start."""
        images, found = batch
        for label in _labels(found):
            own = found[:, 0] == label
            self._look(images[own], found[own], label, seed=batch_idx)

    def on_validation_epoch_end(self) -> None:
        """Keep the best start of each digit, and log the means of these."""
        sums = cast(Tensor, self.trainer.strategy.reduce(self._sums, reduce_op="sum"))
        losses, misses, images = sums
        self.co_localiser.keep(losses / images)
        best = self.co_localiser.kept[None]
        count = int(images[0].sum())
        for name, values in (("val_loss", losses), ("val_error", 100 * misses)):
            self.figures.add(name, values.gather(0, best).sum() / count, weight=count)
        super().on_validation_epoch_end()

    def test_step(self, batch: Any, batch_idx: int) -> None:  # noqa: ANN401 - as above
        """The misses of one batch of the set."""
        self.figures.add("test_error", 100 * (~located(self.co_localiser, *batch)).float())

    def _look(self, images: Tensor, found: Tensor, label: int, *, seed: int) -> None:
        """Add up how each start does on images of one class, all on the same random crops."""
        model = self.co_localiser
        generator = torch.Generator().manual_seed(seed)
        places = (2 * torch.rand(2 * len(images), 2, generator=generator) - 1).to(images.device)
        for start in range(model.starts):
            loss = triplet_loss(model, label, images, images.roll(1, 0), places, weight=1.0, start=start)
            theta = model.crop(images, label, start=start)[1]
            misses = (overlap(theta, found[:, 1:], images.shape[-2:]) <= 0.5).sum()
            count = torch.tensor(len(images), device=images.device)
            self._sums[:, start, label] += torch.stack([loss * len(images), misses, count])


def triplet_loss(
    model: CoLocaliser,
    label: int,
    images: Float[Tensor, "batch channels h w"],
    others: Float[Tensor, "batch channels h w"],
    places: Float[Tensor, "both 2"],
    *,
    weight: float,
    moves: Float[Tensor, "both 2"] | None = None,
    start: int | None = None,
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
        start: which of the class's transformers, likewise.
    """
    both = torch.cat([images, others])
    crops, theta = model.crop(both, label, moves, start=start)
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
