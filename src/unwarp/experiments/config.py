"""What an experiment is: data, network, training. Values only; `build` turns them into objects."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

from unwarp._checks import option
from unwarp.errors import OptionError
from unwarp.experiments.settings import override, parse_assignment, read
from unwarp.transforms import TRANSFORMS

__all__ = ["DataConfig", "ExperimentConfig", "ModelConfig", "TrainingConfig"]

PLAIN = ("fcn", "cnn", "cnn-3d", "sequence-cnn", "crnn")
"""Networks without a transformer."""

SIZED = ("st-fcn", "st-cnn")
"""Networks whose transformer can sample an image of another size than its input."""

PENALTIES = ("outside", "identity", "bending", "folding")

Network: TypeAlias = Literal[
    "fcn",
    "cnn",
    "st-fcn",
    "st-cnn",
    "2xst-fcn",
    "ic-st-cnn",
    "shared-st-cnn",
    "cnn-3d",
    "st-cnn-3d",
    "sequence-cnn",
    "recurrent-st-cnn",
    "co-localiser",
    "crnn",
    "st-crnn",
]


@dataclass(frozen=True)
class DataConfig:
    """Which digits, and how they are distorted.

    Attributes:
        distortion: r, rts, p, e or tc, as the paper names them, or one of the other tasks made of digits.
        source: all of MNIST, or the 6,000 + 2,000 digits that come with the package and need no network.
        validation: how many training digits choose the best checkpoint instead of being learned from.
        batch_size: images a training step.
        bend: how far training digits are bent at random before they are distorted, as a part of their size: the
            standard deviation of a thin-plate spline's control points. Not for co-localisation.
    """

    distortion: Literal[
        "r",
        "rts",
        "p",
        "e",
        "tc",
        "crops",
        "cluttered-crops",
        "addition",
        "sequences",
        "volumes",
        "t84",
        "tc84",
        "lines",
    ]
    source: Literal["full", "packaged"] = "full"
    validation: int = 5000
    batch_size: int = 64
    bend: float = 0.0

    def __post_init__(self) -> None:
        _within("data.validation", self.validation, 1)
        _within("data.batch_size", self.batch_size, 1, 2**20)
        _within("data.bend", self.bend, 0, 1)
        if self.bend and self.distortion in ("t84", "tc84"):
            raise OptionError(
                f"data.bend: expected 0 for {self.distortion}, whose images are the same in every epoch, got "
                f"{self.bend}. Leave it out."
            )


@dataclass(frozen=True)
class ModelConfig:
    """Which network.

    Attributes:
        network: fcn, cnn, one of them behind a spatial transformer, or another of `unwarp.models`.
        width: hidden units of an FCN, filters of a CNN.
        transform: what the transformer predicts, by the name of a transform; ``none`` without a transformer.
        control: control points along each axis, for the transforms that have them; for lines along each of two rows.
        pooling: side of the averaging windows after the transformer, in pixels.
        output: side of the square that the transformer of an st-fcn or st-cnn samples, in pixels; 0 takes the
            images' size.
        answers: how many a network that reads sequences gives.
        starts: transformers a digit of a co-localiser; of each image the crop counts that is most like the others.
    """

    network: Network
    width: int
    transform: str = "none"
    control: int = 4
    pooling: int = 1
    output: int = 0
    answers: int = 1
    starts: int = 1

    def __post_init__(self) -> None:
        _within("model.width", self.width, 1, 4096)
        _within("model.control", self.control, 2, 64)
        _within("model.pooling", self.pooling, 1, 1024)
        _within("model.output", self.output, 0, 1024)
        _within("model.answers", self.answers, 1, 1024)
        _within("model.starts", self.starts, 1, 64)
        option("model.transform", self.transform, ("none", *TRANSFORMS))
        if (self.network in PLAIN) != (self.transform == "none"):
            raise OptionError(
                f"model.transform: expected none for {', '.join(PLAIN)} and a transform for other networks, got "
                f"{self.transform!r} for {self.network}. Set model.network and model.transform together."
            )
        if self.output and self.network not in SIZED:
            raise OptionError(
                f"model.output: expected 0 for {self.network}, got {self.output}. Leave it out, as for "
                f"all but {' and '.join(SIZED)}."
            )
        if self.starts != 1 and self.network != "co-localiser":
            raise OptionError(
                f"model.starts: expected 1 for {self.network}, got {self.starts}. Leave it out, as for all but "
                "co-localiser."
            )
        if self.transform == "none" and self.pooling != 1:
            raise OptionError(
                f"model.pooling: expected 1 for {self.network}, which pools behind no transformer, got {self.pooling}."
            )


@dataclass(frozen=True)
class TrainingConfig:
    """How to train.

    Attributes:
        recipe: ``modern`` is AdamW with warm-up and cosine decay, ``muon`` the same with Muon for the weights of hidden
            layers, ``published`` the paper's plain SGD in stages.
        epochs: passes over the training digits.
        steps: training steps instead of epochs, rounded up to whole epochs; 0 counts epochs.
        lr: highest learning rate.
        weight_decay: not of ``published``.
        warmup: share of the steps in which the learning rate rises, not of ``published``.
        localiser_lr_scale: factor on the learning rate of the localiser.
        regression_lr_scale: further factor on that of the localiser's last layer, not of ``published``.
        label_smoothing: share of each label that is spread over all classes, not of ``published``.
        clip: largest norm of the gradient, which longer ones are scaled to; 0 does not clip.
        outside_penalty: weight in the loss of samples outside the image; this one and the next three: `ThetaPenalty`.
        identity_penalty: weight of theta's distance from the identity.
        bending_penalty: weight of the bending energy of thin-plate splines.
        folding_penalty: weight of places where a warp folds over.
        precision: ``auto`` takes bfloat16 where the machine has arithmetic for it.
        channels_last: ``auto`` goes with the precision.
        device: ``auto`` takes a GPU if there is one.
    """

    recipe: Literal["modern", "muon", "published"] = "modern"
    epochs: int = 20
    steps: int = 0
    lr: float = 0.003
    weight_decay: float = 0.0
    warmup: float = 0.05
    localiser_lr_scale: float = 1.0
    regression_lr_scale: float = 1.0
    label_smoothing: float = 0.0
    clip: float = 1.0
    outside_penalty: float = 0.0
    identity_penalty: float = 0.0
    bending_penalty: float = 0.0
    folding_penalty: float = 0.0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    channels_last: Literal["auto", "yes", "no"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"

    def __post_init__(self) -> None:
        _within("training.epochs", self.epochs, 1, 10**6)
        _within("training.steps", self.steps, 0, 10**9)
        rates = ("weight_decay", "warmup", "localiser_lr_scale", "regression_lr_scale", "clip")
        for name in (*rates, *(f"{term}_penalty" for term in PENALTIES)):
            _within(f"training.{name}", getattr(self, name), 0)
        if not self.lr > 0:
            raise OptionError(f"training.lr: expected a positive number, got {self.lr}.")
        if self.warmup > 1:
            raise OptionError(f"training.warmup: expected a share of the steps, 0 to 1, got {self.warmup}.")
        if not 0 <= self.label_smoothing < 1:
            raise OptionError(f"training.label_smoothing: expected a share, 0 to below 1, got {self.label_smoothing}.")
        if self.recipe == "published":
            self._check_published()

    def penalties(self) -> dict[str, float]:
        """Weights of the regularisers that take part in the loss."""
        weights = {term: getattr(self, f"{term}_penalty") for term in PENALTIES}
        return {term: weight for term, weight in weights.items() if weight}

    def _check_published(self) -> None:
        plain = {"weight_decay": 0.0, "warmup": 0.0, "regression_lr_scale": 1.0, "label_smoothing": 0.0}
        for name, value in plain.items():
            if getattr(self, name) != value:
                raise OptionError(
                    "training.recipe: the published recipe has no weight decay, no warm-up, no label smoothing and one "
                    f"rate for the whole localiser, got {name}={getattr(self, name)}. Set training.{name}={value:g}."
                )


@dataclass(frozen=True)
class ExperimentConfig:
    """One cell of a table: everything that decides its outcome but the seed.

    Examples:
        >>> values = {"data": {"distortion": "rts"}, "model": {"network": "cnn", "width": 64}}
        >>> ExperimentConfig.read(values, ["training.epochs=3"]).training.epochs
        3
    """

    data: DataConfig
    model: ModelConfig
    training: TrainingConfig = field(default_factory=TrainingConfig)

    @classmethod
    def read(cls, values: Mapping[str, Any], assignments: Sequence[str] = ()) -> "ExperimentConfig":
        """Check a nested mapping, after replacing some of its values.

        Args:
            values: sections ``data``, ``model`` and ``training``.
            assignments: ``section.key=value`` each.

        Raises:
            OptionError: a key is unknown (the nearest valid ones are named) or a value does not fit.
        """
        changes = dict(parse_assignment(text) for text in assignments)
        return read(cls, override(values, changes))

    def values(self) -> dict[str, Any]:
        """The nested mapping that `read` takes."""
        return asdict(self)


def _within(key: str, value: float, least: int, most: float = math.inf) -> None:
    if not value >= least:
        raise OptionError(f"{key}: expected at least {least}, got {value}.")
    if value > most:
        raise OptionError(f"{key}: expected {least} to {most}, got {value}.")
