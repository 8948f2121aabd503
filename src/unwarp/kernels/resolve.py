"""Kernel names: what ``mode=`` accepts."""

from collections.abc import Callable
from functools import cache

from unwarp._checks import nearest_names
from unwarp.errors import OptionError
from unwarp.kernels.base import AbstractKernel
from unwarp.kernels.linear import Linear
from unwarp.kernels.nearest import Nearest

_FACTORIES: dict[str, Callable[[], AbstractKernel]] = {
    "nearest": Nearest,
    "bilinear": Linear,
}
_ALIASES = {"linear": "bilinear"}

MODES = tuple(_FACTORIES)
"""Every name that ``mode=`` accepts, aliases apart."""


def resolve(mode: str | AbstractKernel) -> AbstractKernel:
    """The kernel a ``mode`` names; a kernel object is returned as it is.

    Raises:
        OptionError: no kernel has that name.
    """
    if isinstance(mode, AbstractKernel):
        return mode
    name = _ALIASES.get(mode, mode)
    if name not in _FACTORIES:
        raise OptionError(
            f"mode: expected one of {', '.join(MODES)} or a kernel, got {mode!r}.{nearest_names(mode, MODES)}"
        )
    return _shared(name)


@cache
def _shared(name: str) -> AbstractKernel:
    return _FACTORIES[name]()
