"""The loss of the training module."""

import pytest
import torch
from torch import nn

from unwarp.training.module import ClassificationModule


def test_training_labels_are_smoothed_and_others_are_not():
    model = nn.Flatten()
    module = ClassificationModule(model, lambda model, steps: None, classes=4, label_smoothing=0.5)
    module.log = lambda *arguments, **options: None
    batch = torch.tensor([[[9.0, 0.0, 0.0, 0.0]]]), torch.tensor([0])
    smoothed = module.training_step(batch, 0)
    plain = torch.nn.functional.cross_entropy(batch[0].flatten(1), batch[1])
    assert smoothed == pytest.approx(float(plain) + 0.5 * 0.75 * 9, rel=1e-3)
