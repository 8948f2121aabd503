import pytest
import torch
from torch import nn

from unwarp.errors import OptionError
from unwarp.models import CNN
from unwarp.models.one_channel import OneChannelConv2d


def gradients(layer, images, upstream):
    images = images.clone().requires_grad_()
    given = layer(images)
    return given, *torch.autograd.grad(given, (images, *layer.parameters()), upstream(given))


def takes_rows(tensor):
    """Whether the graph of a tensor holds rows taken as channels."""
    seen, left = set(), [tensor.grad_fn]
    while left:
        node = left.pop()
        if node is not None and node not in seen:
            seen.add(node)
            left += [parent for parent, _ in node.next_functions]
    return any(type(node).__name__.startswith("Stack") for node in seen)


@pytest.mark.parametrize("size", [(12, 12), (5, 9), (16, 7)])
@pytest.mark.parametrize("count", [0, 3])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_output_and_gradients_are_those_of_the_common_convolution(size, count, layout):
    torch.manual_seed(0)
    layer = OneChannelConv2d(6, 5).double()
    common = nn.Conv2d(1, 6, 5).double()
    common.load_state_dict(layer.state_dict())
    images = torch.randn(count, 1, *size, dtype=torch.float64).to(memory_format=layout)
    weights = torch.randn(count, 6, size[0] - 4, size[1] - 4, dtype=torch.float64)
    ours, theirs = (gradients(each, images, lambda given: weights) for each in (layer, common))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_second_derivatives():
    torch.manual_seed(0)
    layer = OneChannelConv2d(2, 3).double()
    images = torch.randn(2, 1, 5, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: layer(x).square(), images)


def test_bfloat16_autocast_is_as_near_as_the_common_convolution():
    torch.manual_seed(0)
    layer = OneChannelConv2d(64, 9)
    images, upstream = torch.rand(16, 1, 28, 28), torch.randn(16, 64, 20, 20)
    exact = gradients(layer.double(), images.double(), lambda given: upstream.double())
    layer.float()
    with torch.autocast("cpu", torch.bfloat16):
        ours = gradients(layer, images, lambda given: upstream.to(given.dtype))
    for a, b in zip(ours, exact, strict=True):
        assert (a.double() - b).abs().max() < 0.02 * b.abs().max()


def test_only_images_that_need_a_gradient_become_rows():
    layer, images = OneChannelConv2d(4, 3), torch.rand(2, 1, 8, 8)
    assert takes_rows(layer(images.clone().requires_grad_()))
    assert not takes_rows(layer(images))
    with torch.no_grad():
        torch.testing.assert_close(layer(images.clone().requires_grad_()), layer(images))


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (2, 1, 2, 8), (2, 1, 8, 2), (2, 8)])
def test_images_that_do_not_fit_are_refused_as_by_the_common_convolution(shape):
    for images in (torch.rand(shape), torch.rand(shape, requires_grad=True)):
        with pytest.raises(RuntimeError):
            OneChannelConv2d(4, 3)(images)


def test_counts_are_checked():
    with pytest.raises(OptionError, match="filters"):
        OneChannelConv2d(0, 3)


def test_weights_go_between_it_and_the_common_convolution():
    model = CNN((28, 28), width=4)
    assert isinstance(model.layers[0], OneChannelConv2d)
    assert not isinstance(CNN((28, 28), channels=3, width=4).layers[0], OneChannelConv2d)
    common = nn.Conv2d(1, 4, 9)
    common.load_state_dict(model.layers[0].state_dict())
    assert torch.equal(common.weight, model.layers[0].weight)
