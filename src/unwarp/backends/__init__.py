"""Ways to evaluate the ops: reference (plain torch), aten (torch's own grid_sample)."""

from unwarp.backends.base import Backend, Case, Sampling
from unwarp.backends.select import available_backends, choose

__all__ = ["Backend", "Case", "Sampling", "available_backends", "choose"]
