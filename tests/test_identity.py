"""The identity theta returns the image bit for bit, last row and column included: by equality, not within a tolerance.

For the matrix families and those that displace, as promised; tests/transforms holds the others to it as well.
"""

import pytest
import torch
from torch import nn

import unwarp
from support.active_backends import exact_backends
from support.families import DIMENSIONS, default
from support.generators import image
from unwarp.padding import MODES

FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
SIZES = {
    1: ((1,), (7,), (28,), (49,), (63,), (1023,)),
    2: ((1, 1), (7, 1), (28, 28), (49, 63), (63, 49), (5, 1023), (1023, 3)),
    3: ((1, 7, 28), (63, 1, 7), (3, 49, 5)),
}

MATRICES = ("translation", "attention", "rigid", "similarity", "affine", "projective")
DISPLACING = ("piecewise_affine", "thin_plate_spline", "b_spline", "flow")

every_family = pytest.mark.parametrize("family", MATRICES + DISPLACING)
every_dimension = pytest.mark.parametrize("ndim", DIMENSIONS)
both_alignments = pytest.mark.parametrize("align_corners", [False, True])


def identity(family, ndim, *batch, dtype=torch.float32):
    transform = default(family, ndim)
    return transform.identity(dtype=dtype).expand(*batch, *transform.theta_shape)


@exact_backends
@both_alignments
@every_dimension
@every_family
def test_every_size(family, ndim, align_corners, backend):
    options = {"align_corners": align_corners, "backend": backend}
    for size in SIZES[ndim]:
        for dtype, mode in ((torch.float32, "bilinear"), (torch.float64, "bilinear"), (torch.float32, "nearest")):
            source, theta = image(size, channels=1, dtype=dtype), identity(family, ndim, 2, dtype=dtype)
            warped = unwarp.warp(source, theta, default(family, ndim), mode=mode, **options)
            assert torch.equal(warped, source), (size, dtype, mode)


@exact_backends
@pytest.mark.parametrize("padding", MODES)
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_every_padding_and_dtype_of_image_and_theta(mode, padding, backend):
    for image_dtype in FLOATS:
        source = image((9, 14), dtype=image_dtype)
        for theta_dtype in FLOATS:
            for family in ("similarity", "affine", "projective", "thin_plate_spline"):
                theta = identity(family, 2, 2, dtype=theta_dtype)
                warped = unwarp.warp(source, theta, family, mode=mode, padding_mode=padding, backend=backend)
                assert warped.dtype == image_dtype
                assert torch.equal(warped, source), (family, image_dtype, theta_dtype)


@both_alignments
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.bool, torch.int16])
def test_integer_images_with_nearest(dtype, align_corners):
    source = image((7, 28), dtype=dtype)
    for family in ("affine", "thin_plate_spline", "flow"):
        warped = unwarp.warp(source, identity(family, 2, 2), family, mode="nearest", align_corners=align_corners)
        assert warped.dtype == dtype
        assert torch.equal(warped, source)


def test_complex_images():
    source = torch.complex(image((7, 9)), image((7, 9), seed=1))
    assert torch.equal(unwarp.warp(source, identity("affine", 2, 2), "affine"), source)


@exact_backends
@every_family
def test_several_warps_of_an_image(family, backend):
    source = image((11, 6))
    warped = unwarp.warp(source, identity(family, 2, 2, 3), default(family, 2), backend=backend)
    assert torch.equal(warped, source[:, None].expand(2, 3, 3, 11, 6))


@exact_backends
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@every_family
def test_under_autocast(family, dtype, backend):
    source = image((49, 63), dtype=dtype)
    with torch.autocast("cpu", dtype=dtype):
        warped = unwarp.warp(source, identity(family, 2, 2, dtype=dtype), default(family, 2), backend=backend)
    assert torch.equal(warped, source)


class _Warp(nn.Module):
    def __init__(self, transform: nn.Module, backend: str) -> None:
        super().__init__()
        self.transform, self.backend = transform, backend

    def forward(self, source, theta):
        return unwarp.warp(source, theta, self.transform, backend=self.backend)


@pytest.mark.parametrize(
    ("family", "backend"), [("affine", "reference"), ("affine", "auto"), ("thin_plate_spline", "auto")]
)
def test_compiled(family, backend):
    torch.compiler.reset()
    compiled = torch.compile(_Warp(default(family, 2), backend), fullgraph=True, backend="aot_eager")
    for size in ((49, 63), (28, 28)):
        source = image(size)
        assert torch.equal(compiled(source, identity(family, 2, 2)), source)


def test_a_larger_output_holds_the_image_where_pixels_meet():
    """Threefold, pixel centres meet every third output pixel; with align_corners they do at 3 (n - 1) + 1."""
    source = image((7, 5), dtype=torch.float64)
    larger = unwarp.warp(source, identity("affine", 2, 2, dtype=torch.float64), "affine", (21, 15))
    torch.testing.assert_close(larger[..., 1::3, 1::3], source, atol=1e-15, rtol=0)
    aligned = unwarp.warp(source, identity("affine", 2, 2), "affine", (19, 13), align_corners=True)
    torch.testing.assert_close(aligned[..., ::3, ::3], source, atol=1e-7, rtol=0)


@exact_backends
def test_a_signal_of_more_samples_than_float32_counts(backend):
    source = image((2**24 + 1000,), batch=1, channels=1)
    assert torch.equal(unwarp.warp(source, torch.eye(1, 2)[None], "affine", backend=backend), source)
