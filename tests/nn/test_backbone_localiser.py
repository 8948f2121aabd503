"""Any network as a localiser."""

import pytest
import torch
from torch import nn

from support.generators import image
from unwarp.errors import DtypeError, OptionError, ShapeError
from unwarp.nn import BackboneLocaliser, SpatialTransformer
from unwarp.transforms import Affine


@pytest.mark.parametrize(
    ("backbone", "size"),
    [
        (nn.Conv1d(3, 5, 3), (9,)),
        (nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5)), (9, 8)),
        (nn.Conv3d(3, 5, 3), (5, 6, 7)),
        (nn.Sequential(nn.Flatten(), nn.Linear(36, 7)), (3, 4)),
    ],
)
def test_maps_and_vectors_of_any_dimension(backbone, size):
    localiser = BackboneLocaliser(backbone, filters=4, hidden=6)
    transformer = SpatialTransformer(localiser, Affine(len(size)))
    assert torch.equal(transformer(image(size)), image(size))
    assert transformer.regression.in_features == localiser.out_features == 6


def test_the_layers_are_a_1x1_convolution_and_a_dense_layer():
    backbone, source = nn.Conv2d(3, 5, 3), image((6, 7))
    localiser = BackboneLocaliser(backbone, filters=4, hidden=6, negative_slope=0.2)
    found = localiser(source)
    convolution = nn.Conv2d(5, 4, 1)
    with torch.no_grad():
        convolution.weight.copy_(localiser.thin.weight[..., None, None])
        convolution.bias.copy_(localiser.thin.bias)
    thinned = nn.functional.leaky_relu(convolution(backbone(source)), 0.2).movedim(1, -1).flatten(1)
    expected = nn.functional.leaky_relu(localiser.dense(thinned), 0.2)
    torch.testing.assert_close(found, expected)


class Tuple(nn.Module):
    def forward(self, x):
        return (x, x)


def test_other_results_are_refused():
    with pytest.raises(DtypeError, match="backbone: expected a torch.Tensor, got tuple"):
        BackboneLocaliser(Tuple())(image((6, 7)))
    with pytest.raises(ShapeError, match=r"backbone: expected \(batch, channels, \*map\) or \(batch, features\)"):
        BackboneLocaliser(nn.Flatten(0))(image((6, 7)))


@pytest.mark.parametrize("option", ["filters", "hidden"])
def test_counts_are_positive(option):
    with pytest.raises(OptionError, match=f"{option}: expected a positive integer, got -1"):
        BackboneLocaliser(nn.Flatten(), **{option: -1})
