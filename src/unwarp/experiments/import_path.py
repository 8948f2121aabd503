"""Networks of the user's own, named by where Python finds them: ``pkg.module:function``."""

import inspect
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import nn

from unwarp.errors import OptionError

__all__ = ["build_by_path", "is_import_path"]

# What others call the arguments that are offered.
_SYNONYMS = {
    "classes": ("classes", "num_classes", "n_classes", "num_labels"),
    "channels": ("channels", "in_channels", "in_chans", "num_channels"),
    "size": ("size", "image_size", "img_size", "input_size"),
}


def is_import_path(name: str) -> bool:
    """Whether a name says where to import from."""
    return ":" in name


def build_by_path(key: str, path: str, offered: Mapping[str, Any]) -> nn.Module:
    """Import a function or class and call it with those of the offered arguments that it takes.

    Arguments are known by their usual names as well: ``num_classes`` for ``classes``, ``in_chans`` for ``channels``,
    ``image_size`` for ``size``. A function that takes any keyword gets ``num_classes``. The working folder is searched
    first, as `python -m` does.

    Args:
        key: of the setting, for messages.
        path: ``pkg.module:function``.
        offered: ``classes``, ``channels`` and ``size`` with their values.

    Returns:
        What was made: a module.

    Raises:
        OptionError: the module or function is not there, or what it makes is no module.
    """
    function = _load(key, path)
    wanted = _wanted(function, offered)
    try:
        inspect.signature(function).bind(**wanted)
    except TypeError as error:
        raise OptionError(
            f"{key}: expected {path} to be called with some of {', '.join(offered)}, by name, got: {error}."
        ) from error
    network = function(**wanted)
    if not isinstance(network, nn.Module):
        raise OptionError(f"{key}: expected {path} to return a torch.nn.Module, got {type(network).__name__}.")
    return network


def _load(key: str, path: str) -> Callable[..., Any]:
    module_name, _, name = path.partition(":")
    with _working_folder_first():
        try:
            found: Any = import_module(module_name)
        except ImportError as error:
            raise OptionError(
                f"{key}: expected pkg.module:function, got {path!r}: {error}. The working folder is searched, "
                f"now {Path.cwd()}, and what is installed."
            ) from error
    for part in name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise OptionError(f"{key}: expected a function or class, but {module_name} has no {name!r} that can be called.")
    return found


def _wanted(function: Callable[..., Any], offered: Mapping[str, Any]) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters
    wanted = {
        name: value
        for argument, value in offered.items()
        for name in _SYNONYMS.get(argument, (argument,))
        if name in parameters
    }
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    if takes_any and "classes" in offered and not any(name in wanted for name in _SYNONYMS["classes"]):
        wanted["num_classes"] = offered["classes"]
    return wanted


@contextmanager
def _working_folder_first() -> Generator[None, None, None]:
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)
