"""The paper's localisation networks. Any other module that yields features will do as well."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unwarp import _checks
from unwarp._typing import Float, Size
from unwarp.errors import ShapeError

_CONV = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_MAX_POOL = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
_AVERAGE_POOL = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)


class ConvLocaliser(nn.Module):
    """Halve the input, then convolution, max-pooling, convolution, one dense layer (appendix A.4 of the paper).

    Args:
        channels: channels of the input.
        size: spatial size of the input; found at the first call if not given.
        ndim: spatial dimensions.
        filters: filters of both convolutions.
        kernel_size: width of both convolutions, without padding.
        hidden: units of the dense layer, and so the number of features.

    Raises:
        ShapeError: the size is too small for the convolutions.

    Example:
        >>> ConvLocaliser(1, (28, 28))(torch.rand(2, 1, 28, 28)).shape
        torch.Size([2, 20])
    """

    def __init__(
        self,
        channels: int = 1,
        size: Size | None = None,
        *,
        ndim: int = 2,
        filters: int = 20,
        kernel_size: int = 5,
        hidden: int = 20,
    ) -> None:
        super().__init__()
        conv, max_pool, average_pool = _CONV[ndim - 1], _MAX_POOL[ndim - 1], _AVERAGE_POOL[ndim - 1]
        self.convolutions = nn.Sequential(
            average_pool(2),
            conv(channels, filters, kernel_size),
            nn.ReLU(),
            max_pool(2),
            conv(filters, filters, kernel_size),
            nn.ReLU(),
            nn.Flatten(),
        )
        inputs = None if size is None else filters * _pixels_left(_checks.size(size, ndim), kernel_size)
        dense = nn.LazyLinear(hidden) if inputs is None else nn.Linear(inputs, hidden)
        self.dense = nn.Sequential(dense, nn.ReLU())
        self.out_features = hidden

    def forward(self, x: Float[Tensor, "batch channels *in"]) -> Float[Tensor, "batch features"]:
        return self.dense(self.convolutions(x))


class DenseLocaliser(nn.Module):
    """Dense layers on the flattened input (appendix A.4 of the paper: three of 32 units).

    Args:
        inputs: channels times pixels of the input; found at the first call if not given.
        widths: units of each layer; the last is the number of features.

    Example:
        >>> DenseLocaliser(784)(torch.rand(2, 1, 28, 28)).shape
        torch.Size([2, 32])
    """

    def __init__(self, inputs: int | None = None, *, widths: Sequence[int] = (32, 32, 32)) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        previous = inputs
        for width in widths:
            layers += [nn.LazyLinear(width) if previous is None else nn.Linear(previous, width), nn.ReLU()]
            previous = width
        self.layers = nn.Sequential(*layers)
        self.out_features = widths[-1]

    def forward(self, x: Float[Tensor, "batch *in"]) -> Float[Tensor, "batch features"]:
        return self.layers(x)


def _pixels_left(size: Sequence[int], kernel_size: int) -> int:
    lengths = [((n // 2 - kernel_size + 1) // 2) - kernel_size + 1 for n in size]
    if min(lengths) < 1:
        smallest = 2 * (2 * kernel_size + kernel_size - 1)
        raise ShapeError(
            f"size: expected at least {smallest} pixels an axis for kernel_size={kernel_size}, got {tuple(size)}. "
            "Use a smaller kernel_size, or a DenseLocaliser."
        )
    return int(torch.tensor(lengths).prod())
