"""A small training that several processes can run: ``python -m support.together OUT PROCESSES``."""

import sys
from functools import partial
from pathlib import Path

import torch

from support.small_mnist import test_digits, training_digits
from unwarp.data import distortions, mnist
from unwarp.data.distorted_mnist import EpochSampler, FixedBatches, FreshBatches
from unwarp.models import st_cnn
from unwarp.training.datamodule import BatchDataModule
from unwarp.training.devices import Devices, is_writer
from unwarp.training.fit import fit
from unwarp.training.fit import test_error as measure
from unwarp.training.module import ClassificationModule
from unwarp.training.precision import Precision
from unwarp.training.schedules import modern

BATCH = 16
HOW = {"precision": Precision(), "device": torch.device("cpu")}


def data(training=FreshBatches):
    """Digits whose number is a multiple of four batches."""
    task = distortions.get("r")
    learned, held_out = mnist.hold_out(training_digits(), 32)
    fresh = training(learned[: len(learned) // (4 * BATCH) * 4 * BATCH], task, batch_size=BATCH, seed=0)
    fixed = [FixedBatches(part, task, batch_size=20, seed=1) for part in (held_out, test_digits())]
    return BatchDataModule(fresh, EpochSampler(fresh.num_batches), *fixed)


def train(folder, batches, devices):
    """Two epochs; history, test error and weights."""
    torch.manual_seed(0)
    module = ClassificationModule(st_cnn((28, 28), width=4), partial(modern, lr=0.003), about={"made": "by a test"})
    outcome = fit(module, batches, folder, epochs=2, progress=False, devices=devices, **HOW)
    return outcome.history, measure(module, batches, devices=devices, **HOW), module.model.state_dict()


if __name__ == "__main__":
    out = Path(sys.argv[1])
    torch.set_num_threads(1)
    found = train(out, data(), Devices(int(sys.argv[2])))
    if is_writer():
        torch.save(found, out / "found.pt")
