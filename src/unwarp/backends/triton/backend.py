"""The Triton ops behind the protocol of all backends. Triton itself is loaded when a GPU is there to run it."""

import torch

from unwarp.backends.fused import AbstractFused
from unwarp.backends.triton.interpreted import interpreted
from unwarp.transforms import integration


class Triton(AbstractFused):
    """The ops as Triton kernels, on NVIDIA GPUs."""

    name = "triton"
    namespace = "unwarp_triton"

    def missing(self) -> str | None:
        if not (interpreted() or torch.cuda.is_available()):
            return "no CUDA device"
        return _load()

    def runs_on(self, device: str) -> str | None:
        expected = "cpu" if interpreted() else "cuda"
        return None if device == expected else f"it runs on {expected} tensors, the image is on {device}"


def _load() -> str | None:
    """Define the ops. ``None``, or why they cannot be."""
    try:
        from unwarp.backends.triton import field, ops
    except ImportError as error:
        return f"triton does not load ({error})"
    del field, ops
    return None


def _follow_field() -> integration.Op | None:
    return torch.ops.unwarp_triton.follow_field.default if Triton().missing() is None else None


integration.provide("cuda", _follow_field)
