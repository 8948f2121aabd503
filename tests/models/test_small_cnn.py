import pytest
import torch
from torch import nn

from unwarp.models import SmallCNN


@pytest.mark.parametrize("size", [(4, 4), (28, 28), (33, 90), (112, 112), (448, 320)])
def test_any_size_leaves_a_few_pixels(size):
    network = SmallCNN(size, channels=1, classes=3, filters=2).eval()
    assert network(torch.zeros(2, 1, *size)).shape == (2, 3)
    head = network.layers[-1]
    widest = [module for module in network.modules() if isinstance(module, nn.Conv2d)][-1].out_channels
    assert head.in_features // widest <= 8 * 8 * 4


def test_filters_double_up_to_eight_times():
    convolutions = [module for module in SmallCNN((512, 512), filters=4).modules() if isinstance(module, nn.Conv2d)]
    assert [module.out_channels for module in convolutions] == [4, 8, 16, 32, 32, 32]
