import hashlib
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from unwarp.data import mnist
from unwarp.data.idx import write_idx

SCRIPT = Path(__file__).parents[2] / "tools" / "make_mnist_subset.py"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """7,000 and 2,500 blank digits whose first pixels count them, taken for the published ones."""
    for images_name, labels_name in mnist.FILES.values():
        count = 7000 if images_name.startswith("train") else 2500
        images = np.zeros((count, 28, 28), np.uint8)
        images[:, 0, 0], images[:, 0, 1] = np.divmod(np.arange(count), 256)
        write_idx(tmp_path / images_name, images)
        write_idx(tmp_path / labels_name, (np.arange(count) * 7 % 10).astype(np.uint8))
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in tmp_path.iterdir()}
    monkeypatch.setattr(mnist, "SHA256", digests)
    return tmp_path


def run(folder: Path, target: Path, monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), str(folder), str(target)])
    runpy.run_path(str(SCRIPT), run_name="__main__")


def test_it_writes_balanced_digits_and_their_positions(folder, monkeypatch):
    run(folder, folder / "subset.npz", monkeypatch)
    with np.load(folder / "subset.npz") as stored:
        for split, per_class in (("train", 600), ("test", 200)):
            images, labels, indices = (stored[f"{split}_{name}"] for name in ("images", "labels", "indices"))
            assert np.bincount(labels).tolist() == [per_class] * 10
            assert np.array_equal(images[:, 0, 0].astype(int) * 256 + images[:, 0, 1], indices)
            assert np.array_equal(indices * 7 % 10, labels)
            assert (np.diff(indices) < 0).any(), "not shuffled"


def test_the_same_files_give_the_same_bytes(folder, monkeypatch):
    run(folder, folder / "first.npz", monkeypatch)
    run(folder, folder / "second.npz", monkeypatch)
    assert (folder / "first.npz").read_bytes() == (folder / "second.npz").read_bytes()


def test_other_digits_are_refused(folder, monkeypatch):
    name = mnist.FILES["test"][1]
    write_idx(folder / name, np.zeros(2500, np.uint8))
    with pytest.raises(SystemExit, match=f"this is not the published {name}"):
        run(folder, folder / "subset.npz", monkeypatch)
    assert not (folder / "subset.npz").exists()
