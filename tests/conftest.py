"""What holds for every test: seeds, threads, the search effort of property tests, required backends, case counts."""

import os
import random

import hypothesis
import numpy as np
import pytest
import torch

from support import checked_shapes

checked_shapes.install()  # before anything imports the package

from support.case_counts import CaseCounts  # noqa: E402
from support.required_backends import check_required_backends  # noqa: E402

hypothesis.settings.register_profile(
    "default",
    deadline=None,  # the first example pays for imports and compilation
    derandomize=True,  # a change is judged by the same examples everywhere
    max_examples=30,
)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=1000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_configure(config: pytest.Config) -> None:
    """Start the run."""
    check_required_backends()
    config.pluginmanager.register(CaseCounts())
    torch.set_num_threads(_threads(config))


def _threads(config: pytest.Config) -> int:
    """Two threads, shared by the worker processes if there are any."""
    workers = getattr(config, "workerinput", {"workercount": 1})["workercount"]
    return max(1, min(2, torch.get_num_threads()) // workers)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Give every test the same random numbers, whichever tests run before it."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - libraries that we compare with draw from the legacy global generator
    torch.manual_seed(0)
