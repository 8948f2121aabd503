"""Backends that must be active: where one is missing the run fails, rather than skips its tests."""

import os

import pytest


def check_required_backends() -> None:
    """Refuse to start where a backend named in ``UNWARP_REQUIRE_BACKENDS`` is missing."""
    required = [name for name in os.environ.get("UNWARP_REQUIRE_BACKENDS", "").split(",") if name]
    if required:
        problems = missing(required)
        if problems:
            raise pytest.UsageError(f"UNWARP_REQUIRE_BACKENDS: {'; '.join(problems)}")


def missing(required: list[str]) -> list[str]:
    """Say for each required backend that is not active why it is not."""
    import unwarp

    reasons = unwarp.available_backends()
    unknown = [f"{name} does not exist (there are: {', '.join(reasons)})" for name in required if name not in reasons]
    return unknown + [f"{name} is missing: {reasons[name]}" for name in required if reasons.get(name) is not None]
