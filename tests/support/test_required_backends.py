import pytest

import unwarp
from support.required_backends import check_required_backends, missing


@pytest.fixture(autouse=True)
def _backends(monkeypatch):
    reasons = {"reference": None, "native": "no compiler was found"}
    monkeypatch.setattr(unwarp, "available_backends", lambda: reasons)


def test_says_why_a_backend_is_missing_and_which_do_not_exist():
    assert missing(["reference", "native", "nativ"]) == [
        "nativ does not exist (there are: reference, native)",
        "native is missing: no compiler was found",
    ]


def test_a_run_without_a_required_backend_does_not_start(monkeypatch):
    monkeypatch.setenv("UNWARP_REQUIRE_BACKENDS", "reference,native")
    with pytest.raises(pytest.UsageError, match="native is missing: no compiler was found"):
        check_required_backends()


@pytest.mark.parametrize("required", ["", "reference"])
def test_a_run_with_all_that_it_requires_starts(monkeypatch, required):
    monkeypatch.setenv("UNWARP_REQUIRE_BACKENDS", required)
    check_required_backends()
