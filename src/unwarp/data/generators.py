"""Random generators named by a key, so that every draw of the data can be repeated on its own, in any order."""

from enum import IntEnum

import numpy as np
import torch

from unwarp.errors import OptionError


class Stream(IntEnum):
    """What a generator is for. Streams of one seed are independent of each other."""

    ORDER = 1
    TRAIN = 2
    FIXED = 3
    SPLIT = 4


def generator_for(stream: Stream, *, seed: int, epoch: int = 0, batch: int = 0) -> torch.Generator:
    """A CPU generator that depends on its key alone, so that a resumed run draws what an unbroken one would.

    Args:
        stream: the purpose.
        seed: of the run, not negative.
        epoch: counted from 0.
        batch: counted from 0 within the epoch.

    Raises:
        OptionError: a part of the key is negative.
    """
    if min(seed, epoch, batch) < 0:
        raise OptionError(f"seed, epoch, batch: expected none negative, got {(seed, epoch, batch)}. Use 0 or more.")
    state = np.random.SeedSequence((int(stream), seed, epoch, batch)).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))
