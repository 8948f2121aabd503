"""The paper's localisers: the feature geometry and parameter counts of its appendix A.4."""

import pytest
import torch
from torch import nn

from support.generators import image
from unwarp.errors import ShapeError
from unwarp.nn import ConvLocaliser, DenseLocaliser, SpatialTransformer


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("size", "sizes", "pixels"),
    [(28, (14, 10, 5, 1), 20), (42, (21, 17, 8, 4), 320), (60, (30, 26, 13, 9), 1620)],
)
def test_the_geometry_of_the_convolutions(size, sizes, pixels):
    localiser = ConvLocaliser(1, (size, size))
    widths = []
    for layer in localiser.convolutions:
        layer.register_forward_hook(lambda module, arguments, result: widths.append(tuple(result.shape[1:])))
    features = localiser(torch.rand(2, 1, size, size))
    halved, first, _, pooled, second, _, flat = widths
    assert tuple(shape[-1] for shape in (halved, first, pooled, second)) == sizes
    assert flat == (pixels,)
    assert features.shape == (2, localiser.out_features) == (2, 20)


@pytest.mark.parametrize(("size", "dense"), [(28, 420), (42, 6_420), (60, 32_420)])
@pytest.mark.parametrize(("transform", "head"), [("affine", 126), ("projective", 168), ("thin_plate_spline", 672)])
def test_the_parameters_of_the_convolutional_localiser(size, dense, transform, head):
    transformer = SpatialTransformer(ConvLocaliser(1, (size, size)), transform)
    assert count(transformer.localiser.convolutions) == 520 + 10_020
    assert count(transformer.localiser.dense) == dense
    assert count(transformer.regression) == head
    assert count(transformer) == 520 + 10_020 + dense + head


def test_the_layers_of_the_convolutional_localiser():
    names = [type(layer).__name__ for layer in (*ConvLocaliser(1, 28).convolutions, *ConvLocaliser(1, 28).dense)]
    rectified = ["Conv2d", "LeakyReLU"]
    assert names == ["AvgPool2d", *rectified, "MaxPool2d", *rectified, "Flatten", "Linear", "LeakyReLU"]


def test_the_parameters_of_the_dense_localiser():
    assert count(DenseLocaliser(784)) == (784 + 1) * 32 + 2 * (32 + 1) * 32
    assert [type(layer).__name__ for layer in DenseLocaliser(784).layers] == ["Flatten", *["Linear", "LeakyReLU"] * 3]


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_every_dimension_given_or_found(ndim):
    size = (28, 30, 29)[:ndim]
    x = torch.rand(2, 3, *size)
    given, found = ConvLocaliser(3, size, ndim=ndim), ConvLocaliser(3, ndim=ndim)
    assert given(x).shape == found(x).shape == (2, 20)
    assert count(given) == count(found)
    assert DenseLocaliser(widths=(7, 5))(x).shape == (2, 5)


@pytest.mark.parametrize(("kernel_size", "smallest"), [(3, 16), (5, 28), (7, 40)])
def test_the_smallest_size(kernel_size, smallest):
    localiser = ConvLocaliser(1, smallest, kernel_size=kernel_size)
    assert localiser(torch.rand(1, 1, smallest, smallest)).shape == (1, 20)
    with pytest.raises(ShapeError, match=f"at least {smallest} pixels an axis for kernel_size={kernel_size}"):
        ConvLocaliser(1, (smallest, smallest - 1), kernel_size=kernel_size)


def test_a_size_that_leaves_as_many_pixels_is_as_good():
    assert ConvLocaliser(1, (28, 28))(torch.rand(1, 1, 29, 31)).shape == (1, 20)


@pytest.mark.parametrize("localiser", [ConvLocaliser(1, (28, 28)), DenseLocaliser(784)])
def test_no_feature_is_deaf_to_any_image(localiser):
    """A leaky rectifier always passes some gradient; a plain one that is negative for all images never learns."""
    images = image((28, 28), batch=2, channels=1)
    for layer in localiser.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.constant_(layer.bias, -100.0)
    localiser(images).sum().backward()
    first = next(localiser.parameters())
    assert first.grad.abs().max() > 0


def test_plain_rectifiers_on_request():
    assert DenseLocaliser(4, negative_slope=0.0)(-image((2, 2), batch=2, channels=1)).min() == 0
