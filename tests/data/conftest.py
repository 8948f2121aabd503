"""A folder in MNIST's format with few digits, which the loader's tests damage in turn."""

from pathlib import Path

import numpy as np
import pytest

from unwarp.data.idx import write_idx

COUNTS = {"train": 12, "t10k": 5}


@pytest.fixture
def digits_dir(tmp_path) -> Path:
    folder = tmp_path / "digits"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for split, count in COUNTS.items():
        images = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        write_idx(folder / f"{split}-images-idx3-ubyte", images)
        write_idx(folder / f"{split}-labels-idx1-ubyte", np.arange(count, dtype=np.uint8) % 10)
    return folder
