"""The convolutional network (CNN) of the paper's distorted-MNIST experiments."""

from collections.abc import Sequence

from torch import Tensor, nn

from unwarp._typing import Float
from unwarp.errors import ShapeError
from unwarp.models.one_channel import OneChannelConv2d

__all__ = ["CNN"]

_FIRST, _SECOND = 9, 7  # sides of the two convolutions' filters, in pixels
_SMALLEST = _FIRST + 2 * (_SECOND - 1)  # of the images: what one pixel of the second convolution sees


class CNN(nn.Module):
    """Convolution 9x9, max-pooling, convolution 7x7, max-pooling, linear classifier (appendix A.4).

    Convolutions are not padded and have stride 1; each is followed by a rectifier and a 2x2 max-pooling of stride 2.
    These give the same in either order: the pooling comes first here, and leaves the rectifier a quarter of the values.
    A pooling drops an odd last row, as usual, unless the layer after it would then have no room: there it keeps it
    (``ceil_mode``). Published code meets this at 21 x 21, what average pooling leaves of a 42 x 42 image:
    21 -> 13 -> 7 -> 1 -> 1, where rounding down would give 21 -> 13 -> 6 -> nothing. What a pooling would drop is not
    computed: of a 42 x 42 image the last two rows and columns reach no logit, and are cut off first.

    Args:
        size: height and width of the images, at least 21 each.
        channels: of the images.
        classes: how many logits to return.
        width: filters of each convolution; the paper says 32 to 64.

    Raises:
        ShapeError: the images are too small for two convolutions.

    Examples:
        >>> import torch
        >>> CNN((42, 42))(torch.zeros(4, 1, 42, 42)).shape
        torch.Size([4, 10])
    """

    def __init__(self, size: Sequence[int], *, channels: int = 1, classes: int = 10, width: int = 64) -> None:
        super().__init__()
        if min(size) < _SMALLEST:
            raise ShapeError(
                f"size: expected at least {_SMALLEST} x {_SMALLEST} pixels for convolutions of {_FIRST} and {_SECOND}, "
                f"got {tuple(size)}. Pool less before the CNN, or give it larger images."
            )
        self.width = width
        first, after_first = _pooling([n - _FIRST + 1 for n in size], room=_SECOND)
        second, (height, width_left) = _pooling([n - _SECOND + 1 for n in after_first], room=1)
        self.layers = nn.Sequential(
            OneChannelConv2d(width, _FIRST) if channels == 1 else nn.Conv2d(channels, width, _FIRST),
            first,
            nn.ReLU(),
            nn.Conv2d(width, width, _SECOND),
            second,
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(width * height * width_left, classes),
        )
        seen = _before(second, (height, width_left), _SECOND, after_first)
        self._size, self._seen = tuple(size), _before(first, seen, _FIRST, size)

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        """Logits of a batch of images."""
        height, width = self._seen if images.shape[-2:] == self._size else images.shape[-2:]
        return self.layers(images[..., :height, :width])


def _pooling(size: Sequence[int], *, room: int) -> tuple[nn.MaxPool2d, list[int]]:
    """A 2x2 max-pooling that leaves at least ``room`` pixels along each axis, and the size it leaves."""
    up = any(n // 2 < room for n in size)
    return nn.MaxPool2d(2, ceil_mode=up), [(n + up) // 2 for n in size]


def _before(pooling: nn.MaxPool2d, left: Sequence[int], filters: int, size: Sequence[int]) -> tuple[int, ...]:
    """How many of the pixels before a convolution and a pooling reach what they leave."""
    return tuple(size) if pooling.ceil_mode else tuple(2 * pooled + filters - 1 for pooled in left)
