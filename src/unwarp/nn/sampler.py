"""Sampling as a module: holds the options, computes nothing itself."""

from typing import TypedDict

import torch
from torch import Tensor, nn

from unwarp import _checks, functional, kernels, padding
from unwarp._typing import Float, Shaped, Size
from unwarp.backends import available_backends
from unwarp.functional import FillValue
from unwarp.kernels import AbstractKernel
from unwarp.transforms import AbstractTransform


class SamplingOptions(TypedDict, total=False):
    """The keyword arguments of `Sampler`."""

    mode: str | AbstractKernel
    padding_mode: str
    fill_value: FillValue
    align_corners: bool
    antialias: bool | float
    backend: str


class Sampler(nn.Module):
    """`unwarp.sample` and `unwarp.warp` with their options fixed.

    A kernel object given as ``mode`` is a submodule, so that its parameters are trained with the network.

    Args:
        mode, padding_mode, fill_value, align_corners, antialias, backend: as in `unwarp.sample`.

    Raises:
        OptionError: an option has a value that does not exist; the message says which.

    Examples:
        >>> sampler = Sampler(padding_mode="border")
        >>> sampler(torch.eye(2)[None, None], torch.tensor([[[5.0, 5.0]]]))
        tensor([[[1.]]])
    """

    def __init__(
        self,
        *,
        mode: str | AbstractKernel = "bilinear",
        padding_mode: str = "zeros",
        fill_value: FillValue = 0.0,
        align_corners: bool = False,
        antialias: bool | float = False,
        backend: str = "auto",
    ) -> None:
        super().__init__()
        kernels.resolve(mode)
        _checks.option("padding_mode", padding_mode, padding.MODES)
        if isinstance(fill_value, str):
            _checks.fill_from_border(fill_value, padding_mode)
        elif padding_mode != "fill":  # what "fill" takes depends on the image
            _checks.fill_value(fill_value, 1, padding_mode, torch.empty(0))
        _checks.switch("align_corners", align_corners)
        _checks.antialias(antialias)
        _checks.option("backend", backend, ("auto", *available_backends()))
        self.mode = mode
        self.padding_mode = padding_mode
        self.fill_value: FillValue = fill_value
        self.align_corners = align_corners
        self.antialias = antialias
        self.backend = backend

    def forward(
        self, image: Shaped[Tensor, "#batch channels *in"], grid: Float[Tensor, "#batch *out D"]
    ) -> Shaped[Tensor, "batch channels *out"]:
        """Sample at given positions; see `unwarp.sample`."""
        return functional.sample(image, grid, **self._options())

    def warp(
        self,
        image: Shaped[Tensor, "#batch channels *in"],
        theta: Float[Tensor, "#batch *k *theta"],
        transform: str | AbstractTransform,
        size: Size | None,
    ) -> Shaped[Tensor, "batch *k channels *size"]:
        """Warp by a transform; see `unwarp.warp`."""
        return functional.warp(image, theta, transform, size, **self._options())

    def extra_repr(self) -> str:
        plain = {name: value for name, value in self._options().items() if not isinstance(value, nn.Module)}
        return ", ".join(f"{name}={value!r}" for name, value in plain.items())

    def _options(self) -> SamplingOptions:
        return {
            "mode": self.mode,
            "padding_mode": self.padding_mode,
            "fill_value": self.fill_value,
            "align_corners": self.align_corners,
            "antialias": self.antialias,
            "backend": self.backend,
        }
