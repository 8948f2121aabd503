"""The loss of the training module."""

import pytest
import torch
from torch import nn

from unwarp.nn import ConvLocaliser, SpatialTransformer, outside_penalty
from unwarp.training.module import ClassificationModule


def test_training_labels_are_smoothed_and_others_are_not():
    model = nn.Flatten()
    module = ClassificationModule(model, lambda model, steps: None, label_smoothing=0.5)
    batch = torch.tensor([[[9.0, 0.0, 0.0, 0.0]]]), torch.tensor([0])
    smoothed = module.training_step(batch, 0)
    plain = torch.nn.functional.cross_entropy(batch[0].flatten(1), batch[1])
    assert smoothed == pytest.approx(float(plain) + 0.5 * 0.75 * 9, rel=1e-3)


def test_penalties_are_part_of_the_training_loss_alone():
    transformer = SpatialTransformer(ConvLocaliser(1, 28), "affine")
    with torch.no_grad():
        transformer.regression.bias.mul_(3)  # looks at three times the image
    model = nn.Sequential(transformer, nn.Flatten(), nn.Linear(784, 10))
    batch = torch.rand(4, 1, 28, 28), torch.arange(4)

    def loss_with(**options):
        module = ClassificationModule(model, lambda model, steps: None, **options)
        with torch.no_grad():
            module.validation_step(batch, 0)
        return module.training_step(batch, 0), module.figures.means("train")

    (penalised, logged), (plain, _) = loss_with(penalties={"outside": 0.5}), loss_with()
    added = penalised - plain
    _, theta = transformer(batch[0], return_theta=True)
    expected = 0.5 * outside_penalty(theta, transformer.transform)
    assert expected > 0.1
    assert added.item() == pytest.approx(expected.item(), rel=1e-4)
    assert logged["train_penalty"].item() == pytest.approx(expected.item(), rel=1e-4)


def test_labels_may_be_probabilities():
    module = ClassificationModule(nn.Flatten(), lambda model, steps: None)
    logits, chances = torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 3.0]]), torch.tensor([[0.6, 0.2, 0.2], [0.4, 0.3, 0.3]])
    loss = module.training_step((logits[:, None], chances), 0)
    expected = -(chances * logits.log_softmax(1)).sum(1).mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert module.figures.means("train")["train_error"].item() == pytest.approx(50)
