"""A convolution of images with one channel whose backward pass is fast on CPU."""

import torch
from torch import Tensor, nn

from unwarp import _checks
from unwarp._typing import Float

__all__ = ["OneChannelConv2d"]


class OneChannelConv2d(nn.Conv2d):
    """``nn.Conv2d`` of one input channel, stride 1 and no padding, for images that need a gradient.

    Behind a spatial transformer the first convolution has to pass a gradient on to its images, and for a single channel
    torch's CPU kernels spend most of a training step on it. Here the rows under a filter become channels: a filter of
    k x k pixels over one channel is one of 1 x k pixels over k channels, each the image moved by a row. Outputs and
    gradients are those of ``nn.Conv2d`` but for rounding, parameters and their names are the same. Images that need no
    gradient, or lie on another device, take torch's own way.

    Args:
        filters: output channels.
        kernel_size: height and width of a filter, in pixels.

    Raises:
        OptionError: a count is not positive.

    Examples:
        >>> OneChannelConv2d(8, 5)(torch.zeros(2, 1, 28, 28, requires_grad=True)).shape
        torch.Size([2, 8, 24, 24])
    """

    def __init__(self, filters: int, kernel_size: int) -> None:
        super().__init__(1, _checks.count("filters", filters), _checks.count("kernel_size", kernel_size))

    def forward(self, input: Float[Tensor, "batch 1 height width"]) -> Float[Tensor, "batch filters out_h out_w"]:
        """Convolve the images."""
        if not self._takes_rows(input):
            return super().forward(input)
        side = self.kernel_size[0]
        left = input.shape[2] - side + 1
        # Channels last by their strides; neither `contiguous(memory_format=...)` nor `unfold` is for vmap.
        rows = torch.stack([input[:, 0, row : row + left] for row in range(side)], dim=-1).permute(0, 3, 1, 2)
        return nn.functional.conv2d(rows, self.weight.transpose(1, 2), self.bias)

    def _takes_rows(self, images: Tensor) -> bool:
        learns = torch.is_grad_enabled() and images.requires_grad and images.device.type == "cpu"
        if not learns or torch.jit.is_tracing():  # pyright: ignore[reportPrivateImportUsage]
            return False
        unchanged = (self.stride, self.padding, self.dilation, self.padding_mode) == ((1, 1), (0, 0), (1, 1), "zeros")
        return unchanged and images.ndim == 4 and images.shape[1] == 1 and images.shape[2] >= self.kernel_size[0]
