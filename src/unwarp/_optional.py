"""Packages that only an extra installs, loaded where they are used."""

from importlib import import_module
from types import ModuleType

from unwarp.errors import DependencyError

__all__ = ["require"]


def require(module: str, *, extra: str) -> ModuleType:
    """Import a package that not every installation has.

    Args:
        module: dotted name, for example ``"matplotlib.pyplot"``.
        extra: the extra of unwarp that installs it.

    Returns:
        The imported module.

    Raises:
        DependencyError: the package is not installed. A package that is there but broken raises its own error.

    Examples:
        >>> require("json", extra="train").dumps([1])
        '[1]'
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name != package:
            raise
        raise DependencyError(
            f"{package}: this needs a package that is not installed. It comes with the extra {extra!r}; in a clone of "
            f"unwarp: python -m pip install --no-build-isolation -e '.[{extra}]'"
        ) from error
