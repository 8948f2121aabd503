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


@pytest.mark.parametrize(
    ("size", "seen"), [((28, 28), [28, 28]), ((42, 42), [40, 40]), ((43, 21), [43, 21]), ((60, 61), [60, 60])]
)
def test_pixels_that_reach_no_logit_are_not_computed(size, seen):
    torch.manual_seed(0)
    model, images = CNN(size, width=4).double(), torch.rand(2, 1, *size, dtype=torch.float64, requires_grad=True)
    whole = model.layers(images)
    torch.testing.assert_close(model(images), whole)
    (reached,) = torch.autograd.grad(whole.square().sum(), images)
    assert [int((reached.abs().sum((0, 1, axis)) > 0).sum()) for axis in (3, 2)] == seen
    sizes = []
    model.layers[0].register_forward_pre_hook(lambda _layer, given: sizes.append(list(given[0].shape[2:])))
    model(images)
    assert sizes == [seen]
    with pytest.raises(RuntimeError):
        model(torch.rand(2, 1, size[0] + 16, size[1], dtype=torch.float64))  # nothing of another size is cut off
