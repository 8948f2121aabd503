"""These bodies run on a GPU where there is one, else under Triton's interpreter: see `tests/backends/test_triton.py`."""

import pytest
import torch
from unwarp.backends.select import BACKENDS
from unwarp.backends.triton.interpreted import interpreted

if not (interpreted() or torch.cuda.is_available()):
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture
def device() -> str:
    """Where the kernels run."""
    return "cpu" if interpreted() else "cuda"


@pytest.fixture(autouse=True, scope="session")
def _loaded() -> None:
    """Define the ops, as choosing the backend does."""
    assert BACKENDS["triton"].missing() is None
