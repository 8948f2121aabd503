"""Means over an epoch."""

import pytest
import torch

from unwarp.training.epoch_figures import EpochFigures


def test_a_mean_over_batches_of_several_sizes():
    figures = EpochFigures()
    for values in ([1.0, 2.0, 3.0], [6.0]):
        figures.add("train_error", torch.tensor(values))
        figures.add("train_loss", torch.tensor(values).mean(), weight=len(values))
    means = figures.means("train")
    assert {name: mean.item() for name, mean in means.items()} == pytest.approx({"train_error": 3, "train_loss": 3})


def test_each_stage_starts_anew_when_it_is_read():
    figures = EpochFigures()
    figures.add("train_loss", torch.tensor(1.0))
    figures.add("val_loss", torch.tensor(2.0))
    assert figures.means("val") == {"val_loss": 2}
    assert figures.means("val") == {}
    figures.add("val_loss", torch.tensor(4.0, requires_grad=True))
    (mean,) = figures.means("val").values()
    assert mean == 4
    assert not mean.requires_grad
    assert figures.means("train") == {"train_loss": 1}


def test_a_value_that_is_not_finite_shows():
    figures = EpochFigures()
    figures.add("loss", torch.tensor([1.0, float("nan")]))
    assert figures.means()["loss"].isnan()
