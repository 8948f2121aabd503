from functools import partial

import pytest
import torch

from support.small_mnist import test_digits, training_digits
from unwarp.data import distortions, mnist
from unwarp.data.distorted_mnist import EpochSampler, FixedBatches, FreshBatches
from unwarp.models import st_cnn
from unwarp.training.datamodule import BatchDataModule
from unwarp.training.fit import fit
from unwarp.training.module import ClassificationModule
from unwarp.training.precision import Precision
from unwarp.training.schedules import modern

PRECISION = Precision("float32", channels_last=False)
CPU = torch.device("cpu")


@pytest.fixture(scope="session")
def make_module():
    """A small ST-CNN with the weights of a seed."""

    def make(*, seed=0, lr=0.003, width=4, transform="affine", hidden="adamw"):
        torch.manual_seed(seed)
        model = st_cnn((28, 28), transform=transform, width=width)
        return ClassificationModule(model, partial(modern, lr=lr, hidden=hidden), about={"made": "by a test"})

    return make


@pytest.fixture(scope="session")
def make_data():
    """Batches of a few rotated digits."""

    def make(*, seed=0, training=FreshBatches):
        distortion = distortions.get("r")
        learned, held_out = mnist.hold_out(training_digits(), 32)
        fresh = training(learned, distortion, batch_size=32, seed=seed)
        fixed = [FixedBatches(part, distortion, batch_size=20, seed=1) for part in (held_out, test_digits())]
        return BatchDataModule(fresh, EpochSampler(fresh.num_batches), *fixed)

    return make


@pytest.fixture(scope="session")
def fit_small():
    """`fit` as it is used here: two epochs, no progress bar."""
    return partial(fit, epochs=2, precision=PRECISION, device=CPU, progress=False)
