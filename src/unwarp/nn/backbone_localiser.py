"""A localiser from any network that yields features."""

from torch import Tensor, nn

from unwarp import _checks
from unwarp._typing import Float
from unwarp.errors import ShapeError


class BackboneLocaliser(nn.Module):
    """A backbone, a 1x1 convolution that thins its feature map, and one dense layer (section 4.3, birds).

    Where things are is what a localiser needs and what global pooling discards: give the backbone without its pooling
    and classifier, for example ``nn.Sequential(*list(resnet.children())[:-2])``. Sizes are found at the first call.

    Args:
        backbone: network from the input to a feature map ``(batch, channels, *map)`` or to ``(batch, features)``.
        filters: channels that the map is thinned to.
        hidden: units of the dense layer, and so the number of features.
        negative_slope: of the leaky rectifiers, as in `ConvLocaliser`.

    Raises:
        DtypeError, ShapeError: the backbone returns neither, for example a tuple of maps.

    Examples:
        >>> backbone = nn.Sequential(nn.Conv2d(3, 64, 7, stride=4), nn.ReLU(), nn.MaxPool2d(2))
        >>> transformer = SpatialTransformer(BackboneLocaliser(backbone), "attention", 32)
        >>> transformer(torch.rand(2, 3, 64, 64)).shape
        torch.Size([2, 3, 32, 32])
    """

    def __init__(
        self, backbone: nn.Module, *, filters: int = 128, hidden: int = 128, negative_slope: float = 0.1
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.out_features = _checks.count("hidden", hidden)
        self.thin = nn.LazyLinear(_checks.count("filters", filters))
        self.dense = nn.LazyLinear(hidden)
        self.activation = nn.LeakyReLU(negative_slope)

    def forward(self, x: Float[Tensor, "batch channels *in"]) -> Float[Tensor, "batch features"]:
        found = self.backbone(x)
        _checks.floating("backbone", found)
        if found.ndim < 2:
            raise ShapeError(
                f"backbone: expected (batch, channels, *map) or (batch, features), got {tuple(found.shape)}. "
                "Use a network that keeps the batch."
            )
        # A linear layer over the channels is a 1x1 convolution of a map with any number of dimensions.
        thinned = self.activation(self.thin(found.movedim(1, -1)))
        return self.activation(self.dense(thinned.flatten(1)))
