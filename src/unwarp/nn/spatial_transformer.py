"""The spatial transformer: localise, then warp."""

from torch import Tensor, nn

from unwarp import _checks
from unwarp._typing import Float, Size
from unwarp.functional import FillValue
from unwarp.kernels import AbstractKernel
from unwarp.nn.abstract_transformer import AbstractSpatialTransformer
from unwarp.nn.initialisation import regression_layer
from unwarp.nn.localisation import features_of, inputs_of, regress, width_of
from unwarp.nn.sampler import Sampler
from unwarp.transforms import AbstractTransform


class SpatialTransformer(AbstractSpatialTransformer):
    """A module that warps its input by a transform it predicts from that input (Jaderberg et al. 2015, fig. 2).

    The localiser may be any network; what it returns is flattened to a feature vector. The last, regressing layer
    belongs to this module and starts with zero weights and the identity as its bias, so that training begins from an
    unwarped image. It always computes in float32 under autocast.

    Convention: theta maps output to input, normalised; see `unwarp.warp`.

    Args:
        localiser: network from the input ``(batch, channels, *in)`` to features.
        transform: a transform or its name; a name means two dimensions.
        size: spatial size of the output; the input's own by default.
        features: number of features the localiser returns. By default its attribute ``out_features``, else found at
            the first call.
        count: number of warps of each image; the output is then ``(batch, count, channels, *size)``.
        mode, padding_mode, fill_value, align_corners, antialias, backend: as in `unwarp.sample`.

    Raises:
        OptionError, ShapeError: an option does not exist, or the localiser yields another number of features.

    Examples:
        >>> st = SpatialTransformer(nn.Sequential(nn.Flatten(), nn.Linear(784, 32), nn.ReLU()), "affine", features=32)
        >>> digits = torch.rand(2, 1, 28, 28)
        >>> torch.equal(st(digits), digits)
        True
    """

    def __init__(
        self,
        localiser: nn.Module,
        transform: str | AbstractTransform = "affine",
        size: Size | None = None,
        *,
        features: int | None = None,
        count: int | None = None,
        mode: str | AbstractKernel = "bilinear",
        padding_mode: str = "zeros",
        fill_value: FillValue = 0.0,
        align_corners: bool = False,
        antialias: bool | float = False,
        backend: str = "auto",
    ) -> None:
        super().__init__(
            transform,
            size,
            Sampler(
                mode=mode,
                padding_mode=padding_mode,
                fill_value=fill_value,
                align_corners=align_corners,
                antialias=antialias,
                backend=backend,
            ),
        )
        self.localiser = localiser
        self.count = None if count is None else _checks.count("count", count)
        self.regression = regression_layer(width_of(localiser, features), self.transform, count or 1)

    def predict(self, x: Float[Tensor, "batch channels *in"]) -> Float[Tensor, "batch *theta"]:
        counted = () if self.count is None else (self.count,)
        features = features_of(self.localiser, x, inputs_of(self.regression))
        return regress(self.regression, features, (*counted, *self.transform.theta_shape))

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, count={self.count}"
