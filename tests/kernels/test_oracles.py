"""Against other libraries: torch, SciPy, OpenCV, torch-interpol."""

import cv2
import interpol
import numpy as np
import pytest
import torch
from scipy import ndimage

import unwarp
from support.generators import image, off_lattice_grid
from support.oracles import torch_sample
from support.tolerances import assert_matches
from unwarp import kernels

SCIPY_MODES = {
    ("reflection", False): "reflect",
    ("reflection", True): "mirror",
    ("circular", False): "grid-wrap",
    ("border", False): "nearest",
    ("zeros", False): "grid-constant",
}
"""SciPy's names; its "nearest" is our border."""


def pixels_of(grid, size, *, align_corners):
    """Pixel coordinates in SciPy's axis order, ``(D, *out)``."""
    return unwarp.coordinates.normalised_to_pixel(grid, size, align_corners=align_corners)[0].flip(-1).movedim(-1, 0)


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize(("padding", "align_corners"), SCIPY_MODES)
@pytest.mark.parametrize("order", range(6))
def test_splines_against_scipy(order, padding, align_corners, ndim):
    size = {1: (63,), 2: (40, 41), 3: (33, 34, 35)}[ndim]
    x = image(size, batch=1, channels=1, dtype=torch.float64)
    grid = off_lattice_grid(size, (40,), align_corners=align_corners, batch=1)
    ours = unwarp.sample(x, grid, mode=f"bspline{order}", padding_mode=padding, align_corners=align_corners)
    where = pixels_of(grid, size, align_corners=align_corners).numpy()
    theirs = ndimage.map_coordinates(x[0, 0].numpy(), where, order=order, mode=SCIPY_MODES[padding, align_corners])
    # SciPy extends by 12 pixels and cuts recursions short; ours is checked without either in test_bspline.
    assert_matches(ours[0, 0], torch.from_numpy(theirs), "scipy spline")


@pytest.mark.parametrize(
    ("padding", "align_corners", "bound"),
    [("reflection", False, "dct2"), ("reflection", True, "dct1"), ("circular", False, "dft")],
)
@pytest.mark.parametrize("order", range(8))
def test_splines_against_torch_interpol(order, padding, align_corners, bound):
    size = (30, 31)
    x = image(size, batch=1, channels=2, dtype=torch.float64)
    grid = off_lattice_grid(size, (50,), align_corners=align_corners, batch=1)
    ours = unwarp.sample(x, grid, mode=f"bspline{order}", padding_mode=padding, align_corners=align_corners)
    where = unwarp.coordinates.normalised_to_pixel(grid, size, align_corners=align_corners).flip(-1)
    options = {"interpolation": order, "bound": bound, "extrapolate": True, "prefilter": order > 1}
    theirs = interpol.grid_pull(x, where[:, :, None], **options)[..., 0]
    assert_matches(ours, theirs, "interpol spline")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
def test_torch_in_values_and_gradients(mode, padding, align_corners, dtype):
    size = (9, 6)
    x = image(size, dtype=dtype)
    grid = off_lattice_grid(size, (7, 5), align_corners=align_corners, dtype=dtype)
    results = []
    for sample, options in ((unwarp.sample, {}), (torch_sample, {})):
        inputs = x.clone().requires_grad_(), grid.clone().requires_grad_()
        sampled = sample(*inputs, mode=mode, padding_mode=padding, align_corners=align_corners, **options)
        weights = torch.linspace(-1, 1, sampled.numel(), dtype=dtype).view_as(sampled)
        results.append((sampled, *torch.autograd.grad(sampled, inputs, weights)))
    for what, ours, theirs in zip(("values", "image", "grid"), *results, strict=True):
        scale = 1 if what != "grid" else max(size) * 3 * 2  # three channels of slopes up to 2, times pixels a unit
        assert_matches(ours / scale, theirs / scale, "torch", what=what)


@pytest.mark.parametrize("padding", ["border", "reflection", "circular"])
def test_lanczos4_against_opencv(padding):
    """OpenCV looks weights up in a table of 32 positions a pixel: positions are put there."""
    x = image((30, 31), batch=1, channels=1)
    generator = torch.Generator().manual_seed(0)
    where = (
        torch.randint(-20, 51, (1, 60, 2), generator=generator) * 32
        + torch.randint(1, 32, (1, 60, 2), generator=generator)
    ) / 32
    grid = unwarp.coordinates.pixel_to_normalised(where.double(), (30, 31))
    ours = unwarp.sample(x, grid, mode="lanczos4", padding_mode=padding)[0, 0]
    border = {"border": cv2.BORDER_REPLICATE, "reflection": cv2.BORDER_REFLECT, "circular": cv2.BORDER_WRAP}[padding]
    maps = [where[0, :, axis].numpy()[None].astype(np.float32) for axis in (0, 1)]
    theirs = cv2.remap(x[0, 0].numpy(), *maps, cv2.INTER_LANCZOS4, borderMode=border)
    assert_matches(ours, torch.from_numpy(theirs[0]), "opencv")


@pytest.mark.parametrize("padding", ["border", "reflection", "circular", "zeros", "fill"])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_remap_against_opencv(mode, padding):
    x = image((30, 31), batch=1, channels=1)
    generator = torch.Generator().manual_seed(0)
    where = torch.randint(-20 * 32, 50 * 32, (1, 60, 2), generator=generator) / 32
    if padding == "fill":  # OpenCV blends its border value; fill takes over at the edge: compare within and far outside
        where = torch.where((where < 2) | (where > 27), torch.where(where < 2, where - 6, where + 6), where)
    grid = unwarp.coordinates.pixel_to_normalised(where.double(), (30, 31))
    options = {"padding_mode": padding, "fill_value": 0.7} if padding == "fill" else {"padding_mode": padding}
    ours = unwarp.sample(x, grid, mode=mode, **options)[0, 0]
    border = {"border": cv2.BORDER_REPLICATE, "reflection": cv2.BORDER_REFLECT, "circular": cv2.BORDER_WRAP}
    flag = cv2.INTER_LINEAR if mode == "bilinear" else cv2.INTER_CUBIC
    maps = [where[0, :, axis].numpy()[None].astype(np.float32) for axis in (0, 1)]
    value = options.get("fill_value", 0.0)
    theirs = cv2.remap(
        x[0, 0].numpy(), *maps, flag, borderMode=border.get(padding, cv2.BORDER_CONSTANT), borderValue=value
    )
    assert_matches(ours, torch.from_numpy(theirs[0]), "opencv")


@pytest.mark.parametrize("size", [(16, 12), (20, 31), (100, 12)])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection", "circular", "fill"])
def test_antialiased_shrinking_is_interpolate_in_the_interior(padding, mode, size):
    """Without align_corners: with it torch takes its samples half a step off the corners."""
    x = image((64, 48))
    kernel = "bilinear" if mode == "bilinear" else kernels.Cubic(-0.5)  # torch's antialiased filter
    theta = torch.eye(2, 3)[None]
    ours = unwarp.warp(x, theta, "affine", size, mode=kernel, padding_mode=padding, antialias=True)
    theirs = torch.nn.functional.interpolate(x, size, mode=mode, antialias=True)
    edge = 4
    interior = (..., slice(edge, -edge), slice(edge, -edge))
    assert_matches(ours[interior], theirs[interior], "torch")
