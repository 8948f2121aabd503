"""Pixel numbers of planes with more than 2^31 pixels: too much memory for a whole op, so the steps that number them."""

import pytest
import torch
import triton
import triton.language as tl

from unwarp.backends.triton.outside import edge_pixels
from unwarp.backends.triton.points import plane_size, tile_pixels
from unwarp.backends.triton.taps import sample_taps

WIDE_PLANE = (65536, 40000)
WIDE_VOLUME = (2048, 2048, 1024)


@triton.jit
def tile_probe(out, tile, w, h, d, ndim: tl.constexpr):
    pixel, number, valid = tile_pixels(tile, (w, h, d), 2, 4, True, ndim)
    lane = tl.arange(0, 8)
    for axis in tl.static_range(3):
        tl.store(out + axis * 8 + lane, pixel[axis].to(tl.int64))
    tl.store(out + 24 + lane, number)
    tl.store(out + 32 + lane, valid.to(tl.int64))
    tl.store(out + 40, plane_size((w, h, d), True))


@triton.jit
def edge_probe(out, which, w, h, d, ndim: tl.constexpr):
    _, number, _ = edge_pixels(which + tl.arange(0, 2), (w, h, d), True, ndim)
    tl.store(out + tl.arange(0, 2), number)


@triton.jit
def tap_probe(out, x, y, z, w, h, d, ndim: tl.constexpr):
    like = tl.zeros([2], tl.float64)
    taps, _, _ = sample_taps((like + x, like + y, like + z), (w, h, d), 1, 0.0, 1, False, 2, True, ndim)
    tl.store(out + tl.arange(0, 2), taps[2**ndim - 1])


def probed(kernel, count, *arguments, device, ndim):
    out = torch.full((count,), -1, dtype=torch.int64, device=device)
    kernel[(1,)](out, *arguments, ndim=ndim)
    return out.tolist()


def whole(size):
    return (*size, *(1,) * (3 - len(size)))


@pytest.mark.parametrize("size", [WIDE_PLANE, WIDE_VOLUME])
def test_the_last_tile(size, device):
    w, h, d = whole(size)
    across = w // 4
    tile = across * (h * d // 2) - 1
    found = probed(tile_probe, 41, tile, w, h, d, device=device, ndim=len(size))
    rows = [h * d - 2, h * d - 1]
    assert found[:8] == [*range(w - 4, w)] * 2
    assert found[24:32] == [row * w + x for row in rows for x in range(w - 4, w)]
    assert found[32:40] == [1] * 8
    assert found[40] == w * h * d
    if len(size) == 3:
        assert found[8:24] == [h - 2] * 4 + [h - 1] * 4 + [d - 1] * 8


@pytest.mark.parametrize("size", [WIDE_PLANE, WIDE_VOLUME])
def test_the_last_pixels_at_the_far_edge(size, device):
    """The last two at the right end, and of a volume the far corner's."""
    w, h, d = whole(size)
    found = probed(edge_probe, 2, 2 * h * d - 2, w, h, d, device=device, ndim=len(size))
    assert found == [w * (h * d - 1) - 1, w * h * d - 1]


@pytest.mark.parametrize("size", [WIDE_PLANE, WIDE_VOLUME])
def test_the_last_tap(size, device):
    far = [n - 1.0 for n in whole(size)]
    found = probed(tap_probe, 2, *far, *whole(size), device=device, ndim=len(size))
    assert found == [size[0] * size[1] * (size[2] if len(size) == 3 else 1) - 1] * 2
