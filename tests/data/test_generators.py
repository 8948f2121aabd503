import itertools

import pytest
import torch

from unwarp.data.generators import Stream, generator_for
from unwarp.errors import OptionError


def first(**key) -> float:
    return torch.rand(1, generator=generator_for(**key), dtype=torch.float64).item()


def test_a_key_names_one_generator_and_no_other():
    ranges = itertools.product(Stream, range(3), range(3), range(3))
    keys = [{"stream": stream, "seed": seed, "epoch": epoch, "batch": batch} for stream, seed, epoch, batch in ranges]
    draws = [first(**key) for key in keys]
    assert len(set(draws)) == len(keys) == 108
    assert draws == [first(**key) for key in keys]


def test_a_large_seed_is_a_seed_of_its_own():
    assert first(stream=Stream.TRAIN, seed=2**40) != first(stream=Stream.TRAIN, seed=0)


@pytest.mark.parametrize("key", [{"seed": -1}, {"seed": 0, "epoch": -1}, {"seed": 0, "batch": -1}])
def test_negative_keys_are_refused(key):
    with pytest.raises(OptionError, match="seed, epoch, batch: expected none negative"):
        generator_for(Stream.TRAIN, **key)
