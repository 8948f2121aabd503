from functools import partial

import pytest
import torch
import torch.nn.functional as F

from unwarp.data import mnist_subset
from unwarp.data.distorted_mnist import EpochSampler, FixedBatches, FreshBatches
from unwarp.data.lines import Lines
from unwarp.models.line_reader import st_crnn
from unwarp.nn import outside_penalty
from unwarp.training.datamodule import BatchDataModule
from unwarp.training.fit import test_error as measure
from unwarp.training.reading_module import ReadingModule, ctc
from unwarp.training.schedules import modern


def test_the_loss_is_minus_the_log_of_all_paths_that_spell_the_line():
    probabilities = torch.tensor([[[0.1, 0.6, 0.3], [0.2, 0.5, 0.3]]])
    # "1" in two steps: 1 1, 1 _, _ 1.
    spelled = 0.6 * 0.5 + 0.6 * 0.2 + 0.1 * 0.5
    assert ctc(probabilities.log(), torch.tensor([[1, 0]])).exp() == pytest.approx(1 / spelled)


def test_an_impossible_line_has_no_loss():
    assert ctc(torch.zeros(1, 2, 3), torch.tensor([[1, 1]])) == 0


def test_trains_and_counts(tmp_path, fit_small):
    torch.manual_seed(0)
    digits = mnist_subset.subset("train")[:128]
    fresh = FreshBatches(digits, Lines(), batch_size=32, seed=0)
    fixed = FixedBatches(digits[:40], Lines(), batch_size=20, seed=1)
    data = BatchDataModule(fresh, EpochSampler(fresh.num_batches), fixed, fixed)
    module = ReadingModule(st_crnn((64, 128), width=4), partial(modern, lr=0.003, localiser_lr_scale=0.1))
    outcome = fit_small(module, data, tmp_path)
    first, last = outcome.history
    assert last["val_loss"] < first["val_loss"]
    assert last["val_character_error"] >= 0
    how = fit_small.keywords
    assert measure(module, data, precision=how["precision"], device=how["device"]) == last["val_error"]


def test_penalties_are_part_of_the_training_loss():
    reader = st_crnn((64, 128), width=4)
    with torch.no_grad():
        reader.transformer.regression.bias += 1  # off the picture
    images, answers = torch.rand(2, 1, 64, 128), torch.tensor([[1, 2], [3, 0]])
    losses = []
    for penalties in ({}, {"outside": 0.5}):
        module = ReadingModule(reader, modern, penalties=penalties)
        losses.append(module.training_step((images, answers), 0))
    theta = reader.transformer.localise(images)
    expected = 0.5 * outside_penalty(theta, reader.transformer.transform)
    assert expected > 0.01
    assert (losses[1] - losses[0]).item() == pytest.approx(expected.item(), rel=1e-3)


def test_counts_lines_and_characters(make_module):
    module = ReadingModule(torch.nn.Identity(), modern)
    truth = torch.tensor([[1, 2, 0], [2, 0, 0]])
    module.test_step((F.one_hot(torch.tensor([[1, 0, 2], [1, 0, 0]]), 3).float(), truth), 0)
    logged = module.figures.means("test")
    assert logged["test_error"].item() == pytest.approx(50)
    assert logged["test_character_error"].item() == pytest.approx(100 / 3)
