"""Fused ops for GPUs, written in Triton."""

from unwarp.backends.triton.backend import Triton

__all__ = ["Triton"]
