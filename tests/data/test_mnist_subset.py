import hashlib
import os
from importlib.resources import files

import numpy as np
import pytest
import torch

from unwarp.data import mnist
from unwarp.data.mnist_subset import FILE_NAME, digest, subset
from unwarp.errors import OptionError

COUNTS = {"train": 6000, "test": 2000}

# Of the bytes of images, labels and positions as tools/make_mnist_subset.py took them from files with mnist.SHA256.
ORIGIN = {
    "train": "146bee330e7f81e3020d27c4f44ddc132bc2e5994c9af13fecea5ceed5194ea1",
    "test": "ce04803ab350d9f0b2f549075cfce1994d5ec1012ec30d617e24b8fd6e424ab4",
}


def arrays(split: str) -> list[np.ndarray]:
    with (files("unwarp.data") / FILE_NAME).open("rb") as file, np.load(file) as stored:
        return [stored[f"{split}_{name}"] for name in ("images", "labels", "indices")]


@pytest.mark.parametrize("split", COUNTS)
def test_the_digits_are_those_taken_from_mnist(split):
    digest = hashlib.sha256(b"".join(array.tobytes() for array in arrays(split)))
    assert digest.hexdigest() == ORIGIN[split]


@pytest.mark.parametrize("split", COUNTS)
def test_classes_are_balanced_and_mixed(split):
    digits = subset(split)
    per_class = COUNTS[split] // 10
    assert torch.bincount(digits.labels).tolist() == [per_class] * 10
    assert len(digits.labels[:200].unique()) == 10
    assert digits.images.shape == (COUNTS[split], 28, 28)
    assert (digits.images.dtype, digits.labels.dtype) == (torch.uint8, torch.int64)


@pytest.mark.parametrize("split", COUNTS)
def test_no_digit_comes_twice(split):
    images, _, indices = arrays(split)
    assert len(np.unique(indices)) == len(images)
    assert len(np.unique(images.reshape(len(images), -1), axis=0)) == len(images)


def test_training_and_test_digits_are_apart():
    both = torch.cat([subset("train").images, subset("test").images]).flatten(1)
    assert len(both.unique(dim=0)) == 8000


@pytest.mark.skipif("UNWARP_MNIST_DIR" not in os.environ, reason="UNWARP_MNIST_DIR: no folder with MNIST given")
@pytest.mark.parametrize("split", COUNTS)
def test_each_digit_is_where_the_file_says(split):
    whole = mnist.load(split, data_dir=os.environ["UNWARP_MNIST_DIR"])
    images, labels, indices = arrays(split)
    assert np.array_equal(whole.images.numpy()[indices], images)
    assert np.array_equal(whole.labels.numpy()[indices], labels)


def test_digest_stays_as_it_was_when_runs_did_not_write_it_down():
    assert digest() == "160498bca4d59704"


def test_the_file_is_small_and_its_licence_beside_it():
    folder = files("unwarp.data")
    assert (folder / FILE_NAME).stat().st_size < 1_500_000
    assert "CC BY-SA 3.0" in (folder / "mnist_subset.LICENCE.txt").read_text()


def test_an_unknown_split():
    with pytest.raises(OptionError, match="split: expected one of train, test, got 'valid'"):
        subset("valid")
