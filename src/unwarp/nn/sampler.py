"""Sampling as a module: holds the options, computes nothing itself."""

from torch import Tensor, nn

from unwarp import functional, kernels
from unwarp._typing import Float, Shaped, Size
from unwarp.functional import FillValue
from unwarp.kernels import AbstractKernel
from unwarp.transforms import AbstractTransform


class Sampler(nn.Module):
    """`unwarp.sample` and `unwarp.warp` with their options fixed.

    A kernel object given as ``mode`` is a submodule, so that its parameters are trained with the network.

    Args:
        mode, padding_mode, fill_value, align_corners, antialias, backend: as in `unwarp.sample`.
    """

    def __init__(
        self,
        *,
        mode: str | AbstractKernel = "bilinear",
        padding_mode: str = "zeros",
        fill_value: FillValue = 0.0,
        align_corners: bool = False,
        antialias: bool = False,
        backend: str = "auto",
    ) -> None:
        super().__init__()
        kernels.resolve(mode)
        self.mode = mode
        self.padding_mode = padding_mode
        self.fill_value = fill_value
        self.align_corners = align_corners
        self.antialias = antialias
        self.backend = backend

    def forward(
        self, image: Shaped[Tensor, "batch channels *in"], grid: Float[Tensor, "batch *out D"]
    ) -> Shaped[Tensor, "batch channels *out"]:
        """Sample at given positions; see `unwarp.sample`."""
        return functional.sample(image, grid, **self._options())

    def warp(
        self,
        image: Shaped[Tensor, "batch channels *in"],
        theta: Tensor,
        transform: AbstractTransform,
        size: Size | None,
    ) -> Shaped[Tensor, "batch channels *size"]:
        """Warp by a transform; see `unwarp.warp`."""
        return functional.warp(image, theta, transform, size, **self._options())

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self._options().items())

    def _options(self) -> "dict[str, object]":
        names = ("mode", "padding_mode", "fill_value", "align_corners", "antialias", "backend")
        return {name: getattr(self, name) for name in names}
