"""The C++ ops on the CPU, fused: no grid in memory, nothing copied.

The source is in ``csrc/``. Only this module loads the compiled library.
"""

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources, util
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from unwarp._eager import eager
from unwarp._typing import Float, Shaped
from unwarp.backends import native_antialias, native_field, native_ops
from unwarp.backends.base import Case, Sampling, wide_enough
from unwarp.backends.fused import AbstractFused, options_of
from unwarp.transforms import integration


def _loading_failure() -> str | None:
    """Load the library. ``None``, or why there is none."""
    try:
        _load().instruction_set()
    except (ImportError, RuntimeError, OSError) as error:
        return _kept_reason() or f"the C++ extension does not load ({error})"
    native_ops.register("unwarp")
    if native_antialias.built():
        native_antialias.register()
    if native_field.built():
        native_field.register("unwarp")
        integration.provide("cpu", lambda: torch.ops.unwarp.follow_field.default)
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


@cache
def differentiated(name: str) -> Callable[..., Tensor]:
    """An op with its derivative, for calls that `unwarp._eager.eager` passes."""
    return native_ops.differentiated("unwarp", name)


class Native(AbstractFused):
    """The C++ ops."""

    name = "native"
    namespace = "unwarp"

    def missing(self) -> str | None:
        return _MISSING

    def runs_on(self, device: str) -> str | None:
        return None if device == "cpu" else f"it runs on the CPU, the image is on {device}"

    def antialiases(self, case: Case) -> bool:
        return native_antialias.built() and native_antialias.covers(case)

    def _op(self, name: str, image: Tensor, theta: Tensor) -> Any:  # noqa: ANN401 - torch's own type has no signature
        return differentiated(name) if eager(image, theta) else super()._op(name, image, theta)

    def settled(self, image: Tensor, theta: Tensor, sampling: Sampling) -> tuple[Any, ...] | None:
        """What the arguments of an op end with, the same for all such tensors; ``None`` where theirs are converted."""
        if sampling.antialias or wide_enough(theta, image) is not theta:
            return None
        return options_of(sampling, theta)

    def sample_grid(
        self,
        image: Shaped[Tensor, "N channels *in"],
        grid: Float[Tensor, "T *out D"],
        scale: Sequence[float],
        sampling: Sampling,
        jacobian: Float[Tensor, "T *out D D"] | None = None,
    ) -> Shaped[Tensor, "T channels *out"]:
        if sampling.antialias:
            return native_antialias.sample_grid(image, grid, scale, sampling, jacobian)
        return super().sample_grid(image, grid, scale, sampling)

    def warp_matrix(
        self,
        image: Shaped[Tensor, "N channels *in"],
        matrix: Float[Tensor, "T rows D1"],
        size: Sequence[int],
        sampling: Sampling,
    ) -> Shaped[Tensor, "T channels *size"]:
        if not sampling.antialias:
            return super().warp_matrix(image, matrix, size, sampling)
        if native_antialias.needless(matrix, sampling):
            return super().warp_matrix(image, matrix, size, sampling._replace(antialias=False))
        return native_antialias.warp_matrix(image, matrix, size, sampling)
