"""Training by agreement: crops of images of one class should look alike, and unlike the rest of their image."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

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

    Where a digit has several transformers, each learns by itself. After every epoch the one with the smallest loss,
    taken on the training images themselves with w = 1, says what the digit's images have in common, its crops' mean
    embedding; of each image the crop that is nearest to that counts, whose ever it is.

    Logs ``val_loss``, that loss of the crops that count, by which the best epoch is chosen; and ``val_error``, the
    share of them that do not overlap a digit's frame by half, which chooses nothing.

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
        self._looks: list[_Looks] = []

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
        crops = crop_pairs(model, label, torch.cat([images, others]), places, moves=moves, start=start)
        loss = hinge(crops, weight=_rise(done))
        self.figures.add("train_loss", loss, weight=len(images))
        self.refuse_non_finite(loss)
        return loss

    def on_validation_epoch_start(self) -> None:
        """Forget what an interrupted epoch has left."""
        self._looks = []

    def validation_step(self, batch: Any, batch_idx: int) -> None:  # noqa: ANN401 - as above
        """What every start sees in one batch of the set."""
        images, found = batch
        for label in cast(list[int], found[:, 0].unique().tolist()):
            own = found[:, 0] == label
            self._look(images[own], found[own], label, seed=batch_idx)

    def on_validation_epoch_end(self) -> None:
        """Remember what the crops of each digit's best start have in common, and log how the nearest to that do."""
        model = self.co_localiser
        features = model.common.shape[1]
        sums = torch.zeros(model.starts, model.classes, 2 + features, device=self.device)  # images, loss, embedding
        for looks in self._looks:
            count = len(looks.corners)
            for start, crops in enumerate(looks.crops):
                loss = count * hinge(crops, weight=1.0)[None]
                sums[start, looks.label] += torch.cat([loss.new_tensor([count]), loss, crops.seen[:count].sum(0)])
        sums = cast(Tensor, self.trainer.strategy.reduce(sums, reduce_op="sum"))  # over the processes
        means = sums[..., 1:] / sums[..., :1]
        best = means[..., 0].argmin(0)
        model.remember(means[best, torch.arange(model.classes, device=best.device), 1:])
        for looks in self._looks:
            count = len(looks.corners)
            crops = _chosen(looks.crops, model.nearest(torch.stack([each.seen for each in looks.crops]), looks.label))
            self.figures.add("val_loss", hinge(crops, weight=1.0), weight=count)
            self.figures.add(
                "val_error", 100 * (overlap(crops.theta[:count], looks.corners, looks.size) <= 0.5).float()
            )
        self._looks = []
        super().on_validation_epoch_end()

    def test_step(self, batch: Any, batch_idx: int) -> None:  # noqa: ANN401 - as above
        """The misses of one batch of the set."""
        self.figures.add("test_error", 100 * (~located(self.co_localiser, *batch)).float())

    def _look(self, images: Tensor, found: Tensor, label: int, *, seed: int) -> None:
        """Keep what each start sees in images of one class, all beside the same random crops."""
        model = self.co_localiser
        generator = torch.Generator().manual_seed(seed)
        places = (2 * torch.rand(2 * len(images), 2, generator=generator) - 1).to(images.device)
        both = torch.cat([images, images.roll(1, 0)])
        crops = [crop_pairs(model, label, both, places, start=start) for start in range(model.starts)]
        self._looks.append(_Looks(label, found[:, 1:], tuple(images.shape[-2:]), crops))


class Crops(NamedTuple):
    """What one transformer shows of pairs of images: first of all I_n, then of all I_m."""

    theta: Float[Tensor, "both 3"]
    """Where it looked."""
    seen: Float[Tensor, "both features"]
    """The embedding of its crops."""
    random: Float[Tensor, "both features"]
    """That of random crops of the same scales."""


class _Looks(NamedTuple):
    """What every start sees in the images of one class in a batch."""

    label: int
    corners: Tensor
    size: tuple[int, ...]
    crops: Sequence[Crops]


def crop_pairs(
    model: CoLocaliser,
    label: int,
    both: Float[Tensor, "both channels h w"],
    places: Float[Tensor, "both 2"],
    *,
    moves: Float[Tensor, "both 2"] | None = None,
    start: int = 0,
) -> Crops:
    """Crop pairs of images of one class, and embed the crops.

    Args:
        model: whose transformer for ``label`` crops the images.
        label: the class.
        both: all I_n, then all I_m.
        places: of the random crops, -1..1 between the ends that keep a crop in the image.
        moves: of the crops, as in `CoLocaliser.crop`.
        start: which of the class's transformers, likewise.
    """
    crops, theta = model.crop(both, label, moves, start=start)
    scale = theta[:, :1].detach()
    elsewhere = torch.cat([scale, (1 - scale) * places], dim=1)
    with torch.no_grad():
        random = model.embedding(unwarp.warp(both, elsewhere, "attention", (CROP, CROP)))
    return Crops(theta, model.embedding(crops), random)


def hinge(crops: Crops, *, weight: float) -> Shaped[Tensor, ""]:
    """The triplet hinge loss, each image of a pair against the other, with a weight on the distance of the two."""
    first, second = crops.seen.chunk(2)
    apart = (first - second).square().sum(1).repeat(2)
    off = (crops.seen - crops.random).square().sum(1)
    return (weight * apart - off + MARGIN).relu().mean()


def _chosen(starts: Sequence[Crops], which: Tensor) -> Crops:
    """Of each image one start's crop."""
    rows = torch.arange(len(which), device=which.device)
    return Crops(*(torch.stack(each)[which, rows] for each in zip(*starts, strict=True)))


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
