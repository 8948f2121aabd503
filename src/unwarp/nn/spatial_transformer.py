"""The spatial transformer: localise, then warp."""

from typing import Literal, overload

from torch import Tensor, nn

from unwarp import _checks, coordinates, transforms
from unwarp._typing import Float, Size
from unwarp.errors import ShapeError
from unwarp.functional import FillValue
from unwarp.kernels import AbstractKernel
from unwarp.nn.initialisation import regression_layer
from unwarp.nn.sampler import Sampler
from unwarp.transforms import AbstractTransform


class SpatialTransformer(nn.Module):
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

    Example:
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
        super().__init__()
        self.localiser = localiser
        # An object may have any number of dimensions; which one the image must have is found at the call.
        self.transform = transform if isinstance(transform, AbstractTransform) else transforms.create(transform, ndim=2)
        self.size = None if size is None else _checks.size(size, self.transform.ndim)
        self.count = None if count is None else _checks.count("count", count)
        width = getattr(localiser, "out_features", None) if features is None else _checks.count("features", features)
        self.regression = regression_layer(width, self.transform, count or 1)
        self.sampler = Sampler(
            mode=mode,
            padding_mode=padding_mode,
            fill_value=fill_value,
            align_corners=align_corners,
            antialias=antialias,
            backend=backend,
        )

    def localise(self, x: Float[Tensor, "batch channels *in"]) -> Float[Tensor, "batch *theta"]:
        """Predict theta: ``(batch, *theta_shape)``, or ``(batch, count, *theta_shape)``."""
        features = self._features(x)
        with coordinates.full_precision(features.device):
            flat = self.regression(features.to(self.regression.weight.dtype))
        counted = () if self.count is None else (self.count,)
        return flat.reshape(-1, *counted, *self.transform.theta_shape)

    def _features(self, x: Tensor) -> Float[Tensor, "batch features"]:
        found = self.localiser(x)
        _checks.floating("localiser", found)
        flat = found.flatten(1) if found.ndim > 1 else found[:, None]
        expected = self.regression.in_features
        if expected not in (0, flat.shape[1]):  # 0: a lazy layer that has not seen an input yet
            raise ShapeError(
                f"localiser: expected {expected} features an image, got {flat.shape[1]} for an input of "
                f"{tuple(x.shape)}. Use features={flat.shape[1]}, or inputs of the size it was made for."
            )
        return flat

    @overload
    def forward(self, x: Tensor, *, return_theta: Literal[False] = False) -> Tensor: ...
    @overload
    def forward(self, x: Tensor, *, return_theta: Literal[True]) -> tuple[Tensor, Tensor]: ...
    def forward(
        self, x: Float[Tensor, "batch channels *in"], *, return_theta: bool = False
    ) -> Float[Tensor, "batch channels *size"] | tuple[Tensor, Tensor]:
        """Warp ``x``; with ``return_theta`` also return theta."""
        theta = self.localise(x)
        warped = self.sampler.warp(x, theta, self.transform, self.size)
        return (warped, theta) if return_theta else warped

    def extra_repr(self) -> str:
        return f"size={self.size}, count={self.count}"
