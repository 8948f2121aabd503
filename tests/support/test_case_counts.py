from types import SimpleNamespace

import pytest

from support.case_counts import CaseCounts, label
from unwarp.transforms import Affine


def report(nodeid, *, when="call", skipped=False):
    return SimpleNamespace(nodeid=nodeid, when=when, skipped=skipped)


@pytest.fixture
def counts():
    """A run of three cases, of which one was skipped, and a test without parameters."""
    cases = {"a": {"family": Affine(), "ndim": 2}, "b": {"family": "rigid", "ndim": 2}, "c": {"ndim": 3, "size": 7}}
    items = [SimpleNamespace(nodeid=name, callspec=SimpleNamespace(params=params)) for name, params in cases.items()]
    plugin = CaseCounts()
    plugin.pytest_collection_finish(SimpleNamespace(items=[*items, SimpleNamespace(nodeid="plain")]))
    for name in ("a", "b", "plain"):
        plugin.pytest_runtest_logreport(report(name, when="setup"))
        plugin.pytest_runtest_logreport(report(name))
    plugin.pytest_runtest_logreport(report("c", skipped=True))
    return plugin


def test_counts_what_ran_once_and_not_what_was_skipped(counts):
    assert list(counts.lines()) == ["family: Affine 1, rigid 1", "ndim: 2 2"]


@pytest.mark.parametrize(("value", "name"), [("zeros", "zeros"), (2, "2"), (None, "None"), (Affine(), "Affine")])
def test_a_value_is_named_by_itself_or_by_its_class(value, name):
    assert label(value) == name
