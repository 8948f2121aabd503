import pytest
import torch

from unwarp.data import distortions
from unwarp.data.lazy_batches import LazyBatches
from unwarp.data.mnist_subset import subset
from unwarp.errors import OptionError

DIGITS, RTS = subset("test")[:70], distortions.get("rts")


def all_of(batches):
    return torch.cat([batches[index][0] for index in range(len(batches))])


def test_images_are_the_same_each_time_and_whatever_the_batch_size():
    large, small = (LazyBatches(DIGITS, RTS, batch_size=size, seed=3) for size in (60, 20))
    assert (len(large), len(small)) == (2, 4)
    assert torch.equal(all_of(large), all_of(small))
    assert torch.equal(all_of(small), all_of(small))
    assert torch.equal(small[3][1], DIGITS.labels[60:])


def test_another_seed_makes_other_images():
    first, second = (LazyBatches(DIGITS, RTS, batch_size=20, seed=seed) for seed in (3, 4))
    assert not torch.equal(first[0][0], second[0][0])


@pytest.mark.parametrize("batch", [-1, 4])
def test_no_such_batch(batch):
    with pytest.raises(IndexError):
        LazyBatches(DIGITS, RTS, batch_size=20, seed=0)[batch]


@pytest.mark.parametrize("size", [0, 30])
def test_batch_size_fits_the_chunks(size):
    with pytest.raises(OptionError, match="batch_size"):
        LazyBatches(DIGITS, RTS, batch_size=size, seed=0)
