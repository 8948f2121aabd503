"""Calls that must fail, and what their messages must say."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest

from unwarp import UnwarpError


@dataclass(frozen=True)
class Wrong:
    """A call that must fail, and what its message must contain, in this order: argument, expected, got, fix."""

    call: Callable[[], object]
    error: type[UnwarpError]
    message: tuple[str, ...]


def parameters(tables: Mapping[str, Mapping[str, Wrong]]) -> list:
    """Every case of some tables, with its name."""
    return [pytest.param(case, id=f"{table}-{name}") for table, cases in tables.items() for name, case in cases.items()]


def assert_refused(wrong: Wrong) -> None:
    """The call gives the one clear error."""
    with pytest.raises(wrong.error) as caught:
        wrong.call()
    message = str(caught.value)
    position = 0
    for part in wrong.message:
        assert part in message[position:], f"{part!r} is missing, or out of order, in: {message}"
        position = message.index(part, position)
    assert message.endswith((".", "?"))
