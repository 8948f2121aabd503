"""Triton's interpreter: the same kernels on CPU tensors, slowly, for tests."""

import os


def interpreted() -> bool:
    """Whether kernels are interpreted. Triton decides when it is imported: set ``TRITON_INTERPRET=1`` before."""
    return os.environ.get("TRITON_INTERPRET") == "1"
