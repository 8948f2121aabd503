"""What backends of fused ops have in common: they differ in where the ops come from, not in how they are called."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from unwarp import padding
from unwarp._eager import transformed
from unwarp._typing import Float, Shaped
from unwarp.backends import native_ops
from unwarp.backends.base import Case, Sampling, wide_enough
from unwarp.backends.reference import Reference
from unwarp.kernels import AbstractKernel

_DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)

_REFERENCE = Reference()


class AbstractFused(ABC):
    """Compiled ops. First derivatives are their own; forward mode, vmap and higher derivatives use the reference.

    Attributes:
        namespace: of the ops in `torch.ops`; all have the same schemas.
    """

    name: str
    namespace: str

    @abstractmethod
    def missing(self) -> str | None:
        """Why the ops cannot be used on this machine; ``None`` where they can."""

    @abstractmethod
    def runs_on(self, device: str) -> str | None:
        """Why the ops do not take tensors on a device; ``None`` where they do."""

    def refuses(self, case: Case) -> str | None:
        sampling, elsewhere = case.sampling, self.runs_on(case.device)
        if elsewhere is not None:
            return elsewhere
        if case.image_dtype not in _DTYPES:
            return f"it has no {case.image_dtype} images"
        if sampling.antialias and not self.antialiases(case):
            return "it has no anti-aliasing of this case"
        if type(sampling.kernel) not in native_ops.KERNELS:
            return f"it has no {_described(sampling.kernel)} kernel"
        if sampling.fill is not None and sampling.fill.requires_grad:
            return "it has no gradient for fill_value"
        return None

    def antialiases(self, case: Case) -> bool:
        """Whether anti-aliased sampling of a case is among the ops."""
        del case
        return False

    def sample_grid(
        self,
        image: Shaped[Tensor, "N channels *in"],
        grid: Float[Tensor, "T *out D"],
        scale: Sequence[float],
        sampling: Sampling,
        jacobian: Float[Tensor, "T *out D D"] | None = None,
    ) -> Shaped[Tensor, "T channels *out"]:
        del jacobian
        if transformed():
            return _REFERENCE.sample_grid(image, grid, scale, sampling)
        grid = wide_enough(grid, image)
        # Any number of output axes: to the op they are one row.
        rank = (1,) * (image.ndim - 3)
        shaped = grid if grid.ndim == image.ndim else grid.reshape(len(grid), *rank, -1, image.ndim - 2)
        sampled = self._op("sample_grid", image, grid)(image, shaped, scale, *options_of(sampling, grid))
        return sampled if shaped is grid else sampled.reshape(*sampled.shape[:2], *grid.shape[1:-1])

    def warp_matrix(
        self,
        image: Shaped[Tensor, "N channels *in"],
        matrix: Float[Tensor, "T rows D1"],
        size: Sequence[int],
        sampling: Sampling,
    ) -> Shaped[Tensor, "T channels *size"]:
        if transformed():
            return _REFERENCE.warp_matrix(image, matrix, size, sampling)
        matrix = wide_enough(matrix, image)
        return self._op("warp_matrix", image, matrix)(image, matrix, size, *options_of(sampling, matrix))

    def warp_basis(
        self,
        image: Shaped[Tensor, "N channels *in"],
        coefficients: Float[Tensor, "T K D"],
        basis: Float[Tensor, "points K"],
        ratio: Sequence[float],
        size: Sequence[int],
        sampling: Sampling,
    ) -> Shaped[Tensor, "T channels *size"]:
        if transformed() or (basis.requires_grad and torch.is_grad_enabled()):
            return _REFERENCE.warp_basis(image, coefficients, basis, ratio, size, sampling)
        coefficients = wide_enough(coefficients, image)
        options = options_of(sampling, coefficients)
        basis = basis.to(coefficients.dtype)
        return self._op("warp_basis", image, coefficients)(image, coefficients, basis, ratio, size, *options)

    def _op(self, name: str, image: Tensor, theta: Tensor) -> Any:  # noqa: ANN401 - torch's own type has no signature
        del image, theta
        return getattr(getattr(torch.ops, self.namespace), name).default


def _described(kernel: AbstractKernel) -> str:
    """The kernel's name; its class where that only inherits the name."""
    inherited = any(kernel.name == known.name for known in native_ops.KERNELS)
    return type(kernel).__name__ if inherited else kernel.name


def options_of(sampling: Sampling, theta: Tensor) -> tuple[int, float, int, Tensor | None, bool]:
    """What the ops' arguments end with: kernel, cubic a, padding, fill, align_corners."""
    fill = None if sampling.fill is None else sampling.fill.to(theta.dtype)
    kernel = native_ops.KERNELS.index(type(sampling.kernel))
    mode = padding.MODES.index(sampling.padding)
    return kernel, native_ops.cubic_a(sampling.kernel), mode, fill, sampling.align_corners
