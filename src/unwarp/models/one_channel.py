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
        side = self.kernel_size[0]
        learns = torch.is_grad_enabled() and input.requires_grad
        if not learns or input.device.type != "cpu" or input.ndim != 4 or input.shape[1] != 1 or input.shape[2] < side:
            return super().forward(input)
        rows = input.squeeze(1).unfold(1, side, 1).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        return nn.functional.conv2d(rows, self.weight.transpose(1, 2), self.bias)
