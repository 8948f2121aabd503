"""The backends of the CPU, as a parameter of tests: one body for all of them."""

import pytest

import unwarp

_MISSING = unwarp.available_backends()

every_backend = pytest.mark.parametrize(
    "backend",
    [
        pytest.param(name, marks=pytest.mark.skipif(reason is not None, reason=f"{name} is missing: {reason}"))
        for name, reason in ((name, _MISSING[name]) for name in ("reference", "aten", "native"))
    ],
)
"""Skipped where a backend is missing; ``UNWARP_REQUIRE_BACKENDS`` turns that into a failure."""

exact_backends = pytest.mark.parametrize("backend", [*every_backend.args[1][:1], *every_backend.args[1][2:]])
"""Those through which an identity transform is exact."""
