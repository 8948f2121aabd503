import pytest
import torch
from torch import nn

from unwarp.errors import ShapeError
from unwarp.models import CNN


def pooled_sizes(model, size):
    sizes, x = [], torch.zeros(1, 1, *size)
    for layer in model.layers:
        x = layer(x)
        if isinstance(layer, nn.MaxPool2d):
            sizes.append(tuple(x.shape[2:]))
    return sizes


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((28, 28), [(10, 10), (2, 2)]),
        ((42, 42), [(17, 17), (5, 5)]),  # 11 rounded down: there is room
        ((21, 21), [(7, 7), (1, 1)]),  # 13 and 1 rounded up: there is none
        ((60, 60), [(26, 26), (10, 10)]),
        ((21, 40), [(7, 16), (1, 5)]),
    ],
)
def test_pooling_rounds_up_only_where_it_must(size, expected):
    assert pooled_sizes(CNN(size, width=2), size) == expected


@pytest.mark.parametrize("size", [(20, 28), (28, 20)])
def test_too_small_images_are_refused(size):
    with pytest.raises(ShapeError, match="at least 21 x 21"):
        CNN(size)


def test_logits_follow_channels_and_classes():
    assert CNN((28, 30), channels=3, classes=7, width=4)(torch.rand(2, 3, 28, 30)).shape == (2, 7)
