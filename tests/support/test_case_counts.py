from types import SimpleNamespace

import pytest

from support.case_counts import CaseCounts, label
from unwarp.transforms import Affine


def report(item, *, when="call", skipped=False):
    return SimpleNamespace(user_properties=item.user_properties, when=when, skipped=skipped)


def item(**parameters):
    return SimpleNamespace(callspec=SimpleNamespace(params=parameters), user_properties=[])


@pytest.fixture
def counts():
    """A run of three cases, of which one was skipped, and a test without parameters."""
    ran = [item(family=Affine(), ndim=2), item(family="rigid", ndim=2), SimpleNamespace(user_properties=[])]
    skipped = item(ndim=3, size=7)
    plugin = CaseCounts()
    plugin.pytest_collection_modifyitems([*ran, skipped])
    for case in ran:
        plugin.pytest_runtest_logreport(report(case, when="setup"))
        plugin.pytest_runtest_logreport(report(case))
    plugin.pytest_runtest_logreport(report(skipped, skipped=True))
    return plugin


def test_counts_what_ran_once_and_not_what_was_skipped(counts):
    assert list(counts.lines()) == ["family: Affine 1, rigid 1", "ndim: 2 2"]


@pytest.mark.parametrize(("value", "name"), [("zeros", "zeros"), (2, "2"), (None, "None"), (Affine(), "Affine")])
def test_a_value_is_named_by_itself_or_by_its_class(value, name):
    assert label(value) == name
