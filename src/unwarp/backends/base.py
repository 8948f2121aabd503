"""What a backend is: three ways to say where samples are taken, one way to say how.

Positions are centred input pixels (see `unwarp.coordinates`). ``T`` warps read ``N`` images, ``T`` a multiple of ``N``:
warp ``t`` reads image ``t * N // T``, so one image serves any number of warps and none is copied.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

import torch
from torch import Tensor

from unwarp._typing import Float, Shaped
from unwarp.kernels import AbstractKernel
from unwarp.padding import PaddingMode

_LARGEST_PLANE = 2**30
"""Pixels an image may have before float32 coordinates and 32-bit indices no longer reach every one."""

_LONGEST_AXIS = 2**24
"""Pixels along an axis that float32 tells apart."""

Op: TypeAlias = Literal["grid", "matrix", "basis"]


class Sampling(NamedTuple):
    """How samples are taken: everything but where.

    Attributes:
        fill: one value a channel, with ``padding="fill"`` only.
        align_corners: decides what reflection mirrors about and where the image's extent ends.
        antialias: ``True``, or the largest stretch of the kernel, at least 1.
    """

    kernel: AbstractKernel
    padding: PaddingMode = "zeros"
    fill: Tensor | None = None
    align_corners: bool = False
    antialias: bool | float = False


class Case(NamedTuple):
    """What a backend is asked for, in the terms in which it may refuse."""

    op: Op
    ndim: int
    device: str
    image_dtype: torch.dtype
    point_dtype: torch.dtype
    sampling: Sampling


class Backend(Protocol):
    """A way to evaluate the ops. Values and gradients are those of the reference."""

    name: str

    def missing(self) -> str | None:
        """Why this backend cannot be used on this machine; ``None`` where it can."""
        ...

    def refuses(self, case: Case) -> str | None:
        """Why this backend does not cover the case; ``None`` where it does."""
        ...

    def sample_grid(
        self,
        image: Shaped[Tensor, "N channels *in"],
        grid: Float[Tensor, "T *out D"],
        scale: Sequence[float],
        sampling: Sampling,
        jacobian: Float[Tensor, "T *out D D"] | None = None,
    ) -> Shaped[Tensor, "T channels *out"]:
        """Sample at ``grid * scale``. ``jacobian`` (input pixels per output pixel) is what anti-aliasing needs."""
        ...

    def warp_matrix(
        self,
        image: Shaped[Tensor, "N channels *in"],
        matrix: Float[Tensor, "T rows D1"],
        size: Sequence[int],
        sampling: Sampling,
    ) -> Shaped[Tensor, "T channels *size"]:
        """Sample where an affine (``D`` rows) or projective (``D + 1`` rows) matrix puts each centred output pixel."""
        ...

    def warp_basis(
        self,
        image: Shaped[Tensor, "N channels *in"],
        coefficients: Float[Tensor, "T K D"],
        basis: Float[Tensor, "points K"],
        ratio: Sequence[float],
        size: Sequence[int],
        sampling: Sampling,
    ) -> Shaped[Tensor, "T channels *size"]:
        """Sample at ``ratio * centred output pixel + basis @ coefficients``, coefficients in input pixels."""
        ...


def wide_enough(theta: Tensor, image: Tensor) -> Tensor:
    """Theta as it is, or in float64 where its own dtype cannot count the image's pixels or its values."""
    if torch.compiler.is_exporting():  # for images of any size
        return theta
    size = image.shape[2:]
    if image.dtype != torch.float64 and size.numel() < _LARGEST_PLANE and max(size) <= _LONGEST_AXIS:
        return theta
    return theta.double()
