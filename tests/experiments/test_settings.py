from dataclasses import dataclass, field
from typing import Literal

import pytest

from unwarp.errors import OptionError
from unwarp.experiments.settings import override, parse_assignment, read


@dataclass(frozen=True)
class Inner:
    count: int
    rate: float = 0.5
    kind: Literal["round", "square"] = "round"
    name: str = "n"


@dataclass(frozen=True)
class Outer:
    inner: Inner
    other: Inner = field(default_factory=lambda: Inner(7))


def test_reads_nested_values_and_defaults():
    assert read(Outer, {"inner": {"count": 2, "rate": 3}}) == Outer(Inner(2, 3.0), Inner(7))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"innr": {}}, "innr: there is no such setting. Did you mean 'inner'"),
        ({"inner": {"count": 1, "rat": 2}}, "inner.rat: there is no such setting. Did you mean 'inner.rate'"),
        ({"inner": {}}, "inner.count: expected a value, got none"),
        ({}, "inner: expected a value, got none"),
        ({"inner": 3}, "inner: expected a section"),
        ({"inner": {"count": 1.5}}, "inner.count: expected int, got 1.5"),
        ({"inner": {"count": True}}, "inner.count: expected int, got True"),
        ({"inner": {"count": 1, "rate": "fast"}}, "inner.rate: expected float, got 'fast'"),
        (
            {"inner": {"count": 1, "kind": "rond"}},
            "inner.kind: expected one of round, square, got 'rond'. Did you mean",
        ),
        ({"inner": {"count": 1, "name": 3}}, "inner.name: expected str, got 3"),
    ],
)
def test_refuses(values, message):
    with pytest.raises(OptionError) as raised:
        read(Outer, values)
    assert message in str(raised.value)


def test_override_leaves_its_arguments_alone():
    values = {"inner": {"count": 1, "rate": 2.0}}
    assert override(values, {"inner.count": 5, "other.count": 6}) == {
        "inner": {"count": 5, "rate": 2.0},
        "other": {"count": 6},
    }
    assert values == {"inner": {"count": 1, "rate": 2.0}}


@pytest.mark.parametrize("key", ["inner", "count", "inner.count.more"])
def test_override_refuses_what_is_no_section_and_name(key):
    values = {"inner": {"count": 1}}
    with pytest.raises(OptionError, match="there is no such setting"):
        read(Outer, override(values, {key: 1}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.b=3", ("a.b", 3)),
        ("a.b = 0.5", ("a.b", 0.5)),
        ("a.b=1e-3", ("a.b", 1e-3)),
        ("a.b=true", ("a.b", True)),
        ("a.b=affine", ("a.b", "affine")),
        ('a.b="affine"', ("a.b", "affine")),
        ("a.b=x=y", ("a.b", "x=y")),
    ],
)
def test_parse_assignment(text, expected):
    assert parse_assignment(text) == expected


@pytest.mark.parametrize("text", ["", "epochs", "=3", "training.epochs="])
def test_parse_assignment_refuses(text):
    with pytest.raises(OptionError, match="expected key=value"):
        parse_assignment(text)
