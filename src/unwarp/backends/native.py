"""The C++ ops on the CPU, fused: no grid in memory, nothing copied.

The source is in ``csrc/``. Only this module loads the compiled library.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from importlib import resources, util
from types import ModuleType

import torch
from torch import Tensor
from torch.autograd import forward_ad

from unwarp import padding
from unwarp._typing import Float, Shaped
from unwarp.backends import native_ops
from unwarp.backends.base import Case, Sampling
from unwarp.backends.reference import Reference

_DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
_LARGEST_PLANE = 2**30
"""Pixels an image may have before float32 coordinates and 32-bit indices no longer reach every one."""


def _loading_failure() -> str | None:
    """Load the library. ``None``, or why there is none."""
    try:
        _load().instruction_set()
    except (ImportError, RuntimeError, OSError) as error:
        return _kept_reason() or f"the C++ extension does not load ({error})"
    native_ops.register("unwarp")
    return None


def _load() -> ModuleType:
    """The library of this installation, or the one that UNWARP_NATIVE_LIBRARY names: a build for the sanitizers."""
    path = os.environ.get("UNWARP_NATIVE_LIBRARY")
    if path is None:
        return importlib.import_module("unwarp._native")
    spec = util.spec_from_file_location("unwarp._native", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"UNWARP_NATIVE_LIBRARY: {path} is no extension module")
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules["unwarp._native"] = module
    return module


def _kept_reason() -> str | None:
    """What went wrong when the package was built."""
    kept = resources.files("unwarp").joinpath("_native_reason.txt")
    return kept.read_text(encoding="utf-8").strip() if kept.is_file() else None


_MISSING = _loading_failure()
"""Found once, at import: a compiled graph must not load libraries."""


class Native:
    """The C++ ops. First derivatives are their own; forward mode, vmap and higher derivatives use the reference."""

    name = "native"

    def __init__(self) -> None:
        self._reference = Reference()

    def missing(self) -> str | None:
        return _MISSING

    def refuses(self, case: Case) -> str | None:
        sampling = case.sampling
        if case.device != "cpu":
            return f"it runs on the CPU, the image is on {case.device}"
        if case.image_dtype not in _DTYPES:
            return f"it has no {case.image_dtype} images"
        if sampling.antialias:
            return "it has no anti-aliasing"
        if sampling.kernel.name not in native_ops.KERNELS:
            return f"it has no {sampling.kernel.name} kernel"
        if sampling.fill is not None and sampling.fill.requires_grad:
            return "it has no gradient for fill_value"
        return None

    def sample_grid(
        self,
        image: Shaped[Tensor, "N channels *in"],
        grid: Float[Tensor, "T *out D"],
        scale: Sequence[float],
        sampling: Sampling,
        jacobian: Float[Tensor, "T *out D D"] | None = None,
    ) -> Shaped[Tensor, "T channels *out"]:
        del jacobian
        if _transformed():
            return self._reference.sample_grid(image, grid, scale, sampling)
        theta = _wide_enough(grid, image)
        if grid.ndim == image.ndim:
            return torch.ops.unwarp.sample_grid.default(image, theta, scale, *_options(sampling, theta))
        # Any number of output axes: to the op they are one row.
        row = theta.reshape(len(grid), *(1,) * (image.ndim - 3), -1, grid.shape[-1])
        sampled = torch.ops.unwarp.sample_grid.default(image, row, scale, *_options(sampling, theta))
        return sampled.reshape(*sampled.shape[:2], *grid.shape[1:-1])

    def warp_matrix(
        self,
        image: Shaped[Tensor, "N channels *in"],
        matrix: Float[Tensor, "T rows D1"],
        size: Sequence[int],
        sampling: Sampling,
    ) -> Shaped[Tensor, "T channels *size"]:
        if _transformed():
            return self._reference.warp_matrix(image, matrix, size, sampling)
        matrix = _wide_enough(matrix, image)
        return torch.ops.unwarp.warp_matrix.default(image, matrix, size, *_options(sampling, matrix))

    def warp_basis(
        self,
        image: Shaped[Tensor, "N channels *in"],
        coefficients: Float[Tensor, "T K D"],
        basis: Float[Tensor, "points K"],
        ratio: Sequence[float],
        size: Sequence[int],
        sampling: Sampling,
    ) -> Shaped[Tensor, "T channels *size"]:
        if _transformed() or (basis.requires_grad and torch.is_grad_enabled()):
            return self._reference.warp_basis(image, coefficients, basis, ratio, size, sampling)
        coefficients = _wide_enough(coefficients, image)
        options = _options(sampling, coefficients)
        basis = basis.to(coefficients.dtype)
        return torch.ops.unwarp.warp_basis.default(image, coefficients, basis, ratio, size, *options)


def _transformed() -> bool:
    """Whether forward-mode differentiation or a `torch.func` transform is under way."""
    if torch.compiler.is_compiling():
        return False
    level = int(forward_ad._current_level)  # pyright: ignore
    return level >= 0 or torch._C._functorch.peek_interpreter_stack() is not None  # pyright: ignore


def _wide_enough(theta: Tensor, image: Tensor) -> Tensor:
    if image.dtype != torch.float64 and image.shape[2:].numel() < _LARGEST_PLANE:
        return theta
    return theta.double()


def _options(sampling: Sampling, theta: Tensor) -> tuple[int, float, int, Tensor | None, bool]:
    fill = None if sampling.fill is None else sampling.fill.to(theta.dtype)
    kernel = native_ops.KERNELS.index(sampling.kernel.name)
    mode = padding.MODES.index(sampling.padding)
    return kernel, native_ops.cubic_a(sampling.kernel), mode, fill, sampling.align_corners
