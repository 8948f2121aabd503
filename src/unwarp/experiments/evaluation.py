"""Errors of a network on fixed batches, without a trainer."""

import torch
from torch import nn

from unwarp.data.distorted_mnist import FixedBatches
from unwarp.data.lazy_batches import LazyBatches

__all__ = ["error_rate"]


def error_rate(model: nn.Module, batches: FixedBatches | LazyBatches) -> float:
    """Share of wrong answers in percent."""
    with torch.inference_mode():
        pairs = (batches[index] for index in range(len(batches)))
        wrong = sum(int((model(images).argmax(-1) != labels).sum()) for images, labels in pairs)
    return 100 * wrong / batches.labels.numel()
