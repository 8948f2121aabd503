"""The spatial transformer: localise, then warp."""

from typing import Literal, overload

import torch
from torch import Tensor, nn

from unwarp import transforms
from unwarp._typing import Float, Size
from unwarp.errors import OptionError
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
        antialias: bool = False,
        backend: str = "auto",
    ) -> None:
        super().__init__()
        if count is not None and count < 1:
            raise OptionError(f"count: expected at least 1 warp of each image, or None, got {count!r}.")
        self.localiser = localiser
        self.transform = transforms.create(transform, ndim=2)
        self.size = size
        self.count = count
        width = features if features is not None else getattr(localiser, "out_features", None)
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
        features = self.localiser(x).flatten(1)
        with torch.autocast(x.device.type, enabled=False):
            flat = self.regression(features.to(self.regression.weight.dtype))
        counted = () if self.count is None else (self.count,)
        return flat.unflatten(1, (*counted, *self.transform.theta_shape))

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
