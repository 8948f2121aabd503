"""Settings of a network that is trained on one's own folder of pictures. Values only; `folder_build` makes objects."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from unwarp._checks import option
from unwarp.data.augmentation import Augmentation
from unwarp.data.intake import Fit, Intake
from unwarp.data.picture_limits import pixel_limit
from unwarp.errors import OptionError
from unwarp.experiments.config import TrainingConfig
from unwarp.experiments.import_path import is_import_path
from unwarp.experiments.settings import override, parse_assignment, read
from unwarp.transforms import TRANSFORMS

__all__ = ["AugmentConfig", "FolderConfig", "FolderDataConfig", "FolderModelConfig"]


@dataclass(frozen=True)
class FolderDataConfig:
    """The pictures, and how the network sees them.

    Attributes:
        height: of what the transformer looks at, in pixels.
        width: of it; 0 for as much as the height.
        channels: 3 for colour, 1 for grey.
        fit: ``stretch`` to that size, ``pad`` with background, or ``crop`` the middle.
        background: grey, 0 to 1, behind transparent and beside padded or warped pictures.
        validation: share of the pictures that chooses the best checkpoint.
        test: share of the pictures that the reported error is counted on.
        batch_size: pictures a training step.
        megapixels: millions of pixels above which a picture is skipped.
        megabytes: memory for pictures; more are read anew for each batch.
    """

    height: int = 64
    width: int = 0
    channels: int = 3
    fit: Fit = "stretch"
    background: float = 0.0
    validation: float = 0.15
    test: float = 0.15
    batch_size: int = 32
    megapixels: float = 100.0
    megabytes: int = 2048

    def __post_init__(self) -> None:
        option("data.channels", self.channels, (1, 3))
        _within("data.height", self.height, 4, 8192)
        _within("data.width", self.width or self.height, 4, 8192)
        _within("data.background", self.background, 0, 1)
        _within("data.batch_size", self.batch_size, 2, 2**20)
        _within("data.megabytes", self.megabytes, 0, 2**30)
        pixel_limit(self.megapixels, "data.megapixels")

    @property
    def intake(self) -> Intake:
        """What the network sees of a picture."""
        return Intake(self.height, self.width or self.height, self.channels, self.fit, self.background)


@dataclass(frozen=True)
class FolderModelConfig:
    """A transformer, and the network behind it.

    Attributes:
        transform: what the transformer predicts, by the name of a transform; ``none`` leaves the transformer out.
        control: control points along each axis, for the thin-plate and B-spline.
        steps: looks of the transformer; more than one is the inverse compositional network, for matrix families.
        height: of what the classifier sees; 0 for what the transformer looks at.
        width: of it; 0 for as much as the height, or with it for what the transformer looks at.
        antialias: largest shrink that is filtered; 0 to fit the two sizes, 1 for none.
        padding: what lies outside of the picture: ``fill``, the data's background, ``zeros``, ``border``, or
            ``background``, the median of each picture's own border.
        backbone: ``small_cnn``, or ``pkg.module:function`` that makes a network.
        filters: of the small CNN's first stage.
        localiser: ``conv``, or ``pkg.module:function`` that makes a network of features.
    """

    transform: str = "affine"
    control: int = 4
    steps: int = 1
    height: int = 0
    width: int = 0
    antialias: float = 0.0
    padding: Literal["fill", "zeros", "border", "background"] = "fill"
    backbone: str = "small_cnn"
    filters: int = 32
    localiser: str = "conv"

    def __post_init__(self) -> None:
        option("model.transform", self.transform, ("none", *TRANSFORMS))
        for name, least in (("control", 2), ("steps", 1), ("height", 0), ("width", 0), ("filters", 1)):
            _within(f"model.{name}", getattr(self, name), least, 8192)
        if self.antialias and not self.antialias >= 1:
            raise OptionError(f"model.antialias: expected 0 or at least 1, got {self.antialias}.")
        for name, own in (("backbone", "small_cnn"), ("localiser", "conv")):
            value = getattr(self, name)
            if value != own and not is_import_path(value):
                raise OptionError(f"model.{name}: expected {own} or pkg.module:function, got {value!r}.")


@dataclass(frozen=True)
class AugmentConfig:
    """Random warps of the training pictures; see `unwarp.data.augmentation.Augmentation`."""

    degrees: float = 0.0
    scale: float = 1.0
    shift: float = 0.0
    perspective: float = 0.0
    bend: float = 0.0
    flip: bool = False

    def __post_init__(self) -> None:
        self.augmentation(0.0)

    def augmentation(self, background: float) -> Augmentation:
        """The warps, before a background."""
        return Augmentation(**asdict(self), background=background)


@dataclass(frozen=True)
class FolderConfig:
    """Everything that decides the outcome but the pictures and the seed.

    Examples:
        >>> FolderConfig.read({}, ["data.height=448", "model.height=112"]).model.height
        112
    """

    data: FolderDataConfig = field(default_factory=FolderDataConfig)
    model: FolderModelConfig = field(default_factory=FolderModelConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    training: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(lr=0.001, localiser_lr_scale=1.0, regression_lr_scale=4.0)
    )

    @classmethod
    def read(cls, values: Mapping[str, Any], assignments: Sequence[str] = ()) -> "FolderConfig":
        """Check a nested mapping of changes to the defaults, after replacing some of its values.

        Raises:
            OptionError: a key is unknown (the nearest valid ones are named) or a value does not fit.
        """
        known = asdict(cls())
        merged = {name: {**section, **values.get(name, {})} for name, section in known.items()} | {
            name: section for name, section in values.items() if name not in known
        }
        return read(cls, override(merged, dict(parse_assignment(text) for text in assignments)))

    def values(self) -> dict[str, Any]:
        """The nested mapping that `read` takes."""
        return asdict(self)

    @property
    def output_size(self) -> tuple[int, int]:
        """Height and width of what the classifier sees."""
        intake, height, width = self.data.intake, self.model.height, self.model.width
        if not height and not width:
            return intake.height, intake.width
        return height or width, width or height

    @property
    def import_paths(self) -> list[str]:
        """The code of others that the network is made by."""
        return [name for name in (self.model.backbone, self.model.localiser) if is_import_path(name)]


def _within(key: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise OptionError(f"{key}: expected {least} to {most}, got {value}.")
