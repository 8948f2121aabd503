"""Plain mappings into dataclasses, every key and value checked.

This knows nothing of experiments: it reads the fields and their types, and refuses what does not fit. A field is a
number, a string, a `Literal`, or again such a dataclass.
"""

import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from unwarp._checks import nearest_names, option
from unwarp.errors import OptionError

__all__ = ["Values", "override", "parse_assignment", "read"]

Values = Mapping[str, Any]
Settings = TypeVar("Settings")


def read(kind: type[Settings], values: Values, *, prefix: str = "") -> Settings:
    """Build a dataclass from a mapping.

    Args:
        kind: the dataclass; a field that is a dataclass reads a nested mapping.
        values: one entry a field; fields with a default may be left out.
        prefix: of the keys in messages.

    Raises:
        OptionError: a key is unknown or missing, or a value does not fit its field.
    """
    hints = get_type_hints(kind)
    for name in values:
        if name not in hints:
            raise OptionError(_unknown(prefix + name, [prefix + known for known in hints]))
    for field in fields(cast(Any, kind)):
        if field.name not in values and field.default is MISSING and field.default_factory is MISSING:
            raise OptionError(f"{prefix}{field.name}: expected a value, got none. It has no default.")
    return kind(**{name: _read_value(prefix + name, hints[name], value) for name, value in values.items()})


def override(values: Values, assignments: Values) -> dict[str, Any]:
    """A nested mapping with some of its values replaced.

    Examples:
        >>> override({"training": {"epochs": 20}}, {"training.epochs": 3})
        {'training': {'epochs': 3}}
    """
    result = dict(values)
    for dotted, value in assignments.items():
        section, _, name = dotted.partition(".")
        nested = result.get(section, {})
        if not name or not isinstance(nested, Mapping):
            raise OptionError(_unknown(dotted, _dotted(values)))
        result[section] = {**cast(Values, nested), name: value}
    return result


def parse_assignment(text: str) -> tuple[str, Any]:
    """Split ``"training.epochs=3"`` into its key and value; the value is read as TOML, else taken as a string.

    Raises:
        OptionError: there is no ``=``, or nothing on one of its sides.

    Examples:
        >>> parse_assignment("training.epochs=3"), parse_assignment("model.transform=affine")
        (('training.epochs', 3), ('model.transform', 'affine'))
    """
    key, _, value = (part.strip() for part in text.partition("="))
    if not (key and value):
        raise OptionError(f"setting: expected key=value, got {text!r}. For example training.epochs=5.")
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key, value


def _unknown(key: str, known: Iterable[str]) -> str:
    known = sorted(known)
    return f"{key}: there is no such setting.{nearest_names(key, known)} Valid: {', '.join(known)}."


def _dotted(values: Values) -> list[str]:
    """``section.key`` of every nested value."""
    return [f"{section}.{name}" for section, nested in values.items() for name in cast(Values, nested)]


def _read_value(key: str, hint: type, value: object) -> object:
    if is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise OptionError(f"{key}: expected a section of settings, got {value!r}. Give {key}.NAME=VALUE.")
        return read(hint, cast(Values, value), prefix=f"{key}.")
    if get_origin(hint) is Literal:
        option(key, value, get_args(hint))
        return value
    if hint is float and type(value) is int:
        try:
            value = float(value)
        except OverflowError:
            value = math.inf
    if type(value) is not hint:
        raise OptionError(f"{key}: expected {hint.__name__}, got {value!r}.")
    if isinstance(value, float) and math.isinf(value):
        raise OptionError(f"{key}: expected a finite number, got {value}.")
    return value
