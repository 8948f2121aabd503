"""How a program walks over channels, in either memory order.

Planes of channels: one channel at a time, tensors are ``[pixels]``. Channels last: a block of neighbouring channels at
a time, tensors are ``[pixels, channels]``.
"""
# pyright: basic, reportGeneralTypeIssues=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportIndexIssue=false, reportArgumentType=false, reportAssignmentType=false

import triton
import triton.language as tl


@triton.jit
def column(values, LAST: tl.constexpr):
    """A value a pixel, in a shape that combines with channels."""
    return values[:, None] if LAST else values


@triton.jit
def channel_lanes(first, BC: tl.constexpr, LAST: tl.constexpr):
    """The channels handled at once."""
    if LAST:
        return first + tl.arange(0, BC)[None, :]
    else:
        return first


@triton.jit
def existing(valid, channel, channels, LAST: tl.constexpr):
    """Which elements of valid pixels exist."""
    if LAST:
        return valid[:, None] & (channel < channels)
    else:
        return channel < tl.where(valid, channels, 0)


@triton.jit
def channel_offset(channel, plane, LAST: tl.constexpr, WIDE: tl.constexpr):
    """Elements from the start of an image to the start of a channel of ``plane`` pixels."""
    if LAST:
        return channel
    else:
        return channel.to(tl.int64) * plane if WIDE else channel * plane


@triton.jit
def pixel_offset(number, channels, LAST: tl.constexpr, WIDE: tl.constexpr):
    """Elements from the start of a channel to each pixel."""
    if LAST:
        wide = number.to(tl.int64) if WIDE else number
        return (wide * channels)[:, None]
    else:
        return number
