"""What counts as a plain number: neither a truth value, nor text, nor a tensor."""

from numbers import Integral, Real

import torch


def is_integer(value: object) -> bool:
    """Whether it counts: also a NumPy integer, or a size that is unknown while torch traces."""
    return isinstance(value, int | torch.SymInt | Integral) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Whether it is a real number: also one of NumPy."""
    return isinstance(value, int | float | Real) and not isinstance(value, bool)
