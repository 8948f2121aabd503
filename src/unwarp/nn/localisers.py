"""The paper's localisation networks. Any other module that yields features will do as well."""

import math
from collections.abc import Sequence

from torch import Tensor, nn

from unwarp import _checks
from unwarp._typing import Float, Size
from unwarp.errors import OptionError, ShapeError
from unwarp.nn.localisation import inputs_of

_CONV = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_MAX_POOL = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
_AVERAGE_POOL = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
_NEGATIVE_SLOPE = 0.1


class ConvLocaliser(nn.Module):
    """Halve the input, then convolution, max-pooling, convolution, one dense layer (appendix A.4 of the paper).

    Rectifiers leak, where the paper's do not: the gradient of a localiser is weak and noisy while the classifier is
    untrained, and of plain rectifiers so many die in the first steps that what is left cannot tell an angle.

    Args:
        channels: channels of the input.
        size: spatial size of the input; found at the first call if not given.
        ndim: spatial dimensions.
        filters: filters of both convolutions.
        kernel_size: width of both convolutions, without padding.
        hidden: units of the dense layer, and so the number of features.
        negative_slope: of the leaky rectifiers; 0 for plain ones.

    Raises:
        OptionError: a count is not positive.
        ShapeError: the size is too small for the convolutions, or the input is not what the localiser was made for.
        DtypeError: the input is not floating-point.

    Examples:
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
        negative_slope: float = _NEGATIVE_SLOPE,
    ) -> None:
        super().__init__()
        _checks.option("ndim", ndim, (1, 2, 3))
        channels, filters = _checks.count("channels", channels), _checks.count("filters", filters)
        kernel_size, hidden = _checks.count("kernel_size", kernel_size), _checks.count("hidden", hidden)
        conv, max_pool, average_pool = _CONV[ndim - 1], _MAX_POOL[ndim - 1], _AVERAGE_POOL[ndim - 1]
        self.convolutions = nn.Sequential(
            average_pool(2),
            conv(channels, filters, kernel_size),
            nn.LeakyReLU(negative_slope),
            max_pool(2),
            conv(filters, filters, kernel_size),
            nn.LeakyReLU(negative_slope),
            nn.Flatten(),
        )
        inputs = None if size is None else filters * _pixels_left("size", _checks.size(size, ndim), kernel_size)
        self.dense = nn.Sequential(_linear(inputs, hidden), nn.LeakyReLU(negative_slope))
        self.channels, self.ndim, self.kernel_size, self.filters = channels, ndim, kernel_size, filters
        self.out_features = hidden

    def forward(self, x: Float[Tensor, "batch channels *in"]) -> Float[Tensor, "batch features"]:
        self._check(x)
        return self.dense(self.convolutions(x))

    def _check(self, x: Tensor) -> None:
        _checks.floating("image", x)
        if x.ndim != self.ndim + 2 or x.shape[1] != self.channels:
            raise ShapeError(
                f"image: expected (batch, {self.channels}, *size) with {self.ndim} spatial dimensions, "
                f"got {tuple(x.shape)}. Use ConvLocaliser(channels, ndim=...) to match the image."
            )
        inputs = self.filters * _pixels_left("image", x.shape[2:], self.kernel_size)
        expected = inputs_of(self.dense[0])
        if expected not in (0, inputs):  # 0: a lazy layer that has not seen an input yet
            raise ShapeError(
                f"image: expected a size that leaves {expected} features for the dense layer, got {tuple(x.shape)}, "
                f"which leaves {inputs}. Use the size that the localiser was made for."
            )


class DenseLocaliser(nn.Module):
    """Dense layers on the flattened input (appendix A.4 of the paper: three of 32 units).

    Args:
        inputs: channels times pixels of the input; found at the first call if not given.
        widths: units of each layer; the last is the number of features.
        negative_slope: of the leaky rectifiers, as in `ConvLocaliser`; 0 for plain ones.

    Raises:
        OptionError: a count is not positive, or there are no widths.
        ShapeError: the input is not what the localiser was made for.
        DtypeError: the input is not floating-point.

    Examples:
        >>> DenseLocaliser(784)(torch.rand(2, 1, 28, 28)).shape
        torch.Size([2, 32])
    """

    def __init__(
        self,
        inputs: int | None = None,
        *,
        widths: Sequence[int] = (32, 32, 32),
        negative_slope: float = _NEGATIVE_SLOPE,
    ) -> None:
        super().__init__()
        if not widths:
            raise OptionError("widths: expected the units of at least one layer, got none. Use widths=(32, 32, 32).")
        layers: list[nn.Module] = [nn.Flatten()]
        previous = None if inputs is None else _checks.count("inputs", inputs)
        for width in [_checks.count("widths", width) for width in widths]:
            layers += [_linear(previous, width), nn.LeakyReLU(negative_slope)]
            previous = width
        self.layers = nn.Sequential(*layers)
        self.out_features = int(widths[-1])

    def forward(self, x: Float[Tensor, "batch *in"]) -> Float[Tensor, "batch features"]:
        self._check(x)
        return self.layers(x)

    def _check(self, x: Tensor) -> None:
        _checks.floating("image", x)
        expected = inputs_of(self.layers[1])
        if x.ndim < 2 or expected not in (0, math.prod(x.shape[1:])):  # 0: a lazy layer, as in `ConvLocaliser`
            raise ShapeError(
                f"image: expected (batch, *in){f' of {expected} numbers an image' if expected else ''}, got "
                f"{tuple(x.shape)}. Use inputs of the size that the localiser was made for, or DenseLocaliser() to "
                "find it at the first call."
            )


def _linear(inputs: int | None, outputs: int) -> nn.Linear:
    return nn.LazyLinear(outputs) if inputs is None else nn.Linear(inputs, outputs)


def _pixels_left(argument: str, size: Sequence[int], kernel_size: int) -> int:
    """How many pixels halving, convolution, pooling and convolution leave."""
    left = [(n // 2 - kernel_size + 1) // 2 - kernel_size + 1 for n in size]
    if min(left) < 1:
        raise ShapeError(
            f"{argument}: expected at least {2 * (3 * kernel_size - 1)} pixels an axis for kernel_size={kernel_size}, "
            f"got {tuple(size)}. Use a smaller kernel_size, or a DenseLocaliser."
        )
    return math.prod(left)
