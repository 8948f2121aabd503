"""Anti-aliased sampling by the C++ ops: the reference's values."""

import math

import pytest
import torch

import unwarp
from support.antialias_cases import MAPS, both, count_calls
from support.generators import generator, image
from support.native_cases import needs_native
from support.tolerances import assert_matches, assert_same
from unwarp import kernels, padding

pytestmark = needs_native


@pytest.fixture(autouse=True)
def ops_called(monkeypatch):
    return count_calls(monkeypatch)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("kernel", [kernels.Linear(), kernels.Cubic(), kernels.Cubic(-0.5)], ids=repr)
@pytest.mark.parametrize("padding", padding.MODES)
def test_values(kernel, padding, align_corners, ops_called):
    theta = torch.tensor(list(MAPS.values()))
    for size, out in (((63, 7), (5, 6)), ((7, 63), (1, 1)), ((1, 1), (3, 2)), ((40, 33), (9, 8))):
        for dtype in (torch.float32, torch.float64):
            x = image(size, batch=1, channels=5 if out == (5, 6) else 1, dtype=dtype)
            options = {"mode": kernel, "padding_mode": padding, "align_corners": align_corners}
            options |= {"fill_value": 0.3} if padding == "fill" else {}
            native, reference = both(x, theta.to(dtype), size=out, **options)
            assert_matches(native, reference, "backend")
    # With align_corners a map to a single pixel, or of one, shrinks nowhere: plain sampling.
    assert len(ops_called) == (4 if align_corners else 8)


@pytest.mark.parametrize("kernel", ["bilinear", "bicubic"])
@pytest.mark.parametrize("family", ["projective", "thin_plate_spline", "grid"])
def test_maps_whose_jacobian_varies(family, kernel, ops_called):
    x = image((30, 41), channels=3, dtype=torch.float64)
    affine = torch.tensor([MAPS["shrink"], MAPS["half"]], dtype=torch.float64) / 2
    if family == "grid":
        grid = unwarp.transforms.Affine()(affine, unwarp.make_grid((6, 5), dtype=torch.float64)).sin()
        native, reference = [
            unwarp.sample(x, grid, mode=kernel, antialias=True, backend=backend) for backend in ("native", "reference")
        ]
    else:
        tilt = torch.tensor([[0.3, 0.2], [-0.1, 0.4]], dtype=torch.float64)
        theta = torch.cat([affine.flatten(1), tilt], dim=1)
        if family == "thin_plate_spline":
            start = unwarp.transforms.ThinPlateSpline().identity(dtype=torch.float64)
            theta = unwarp.transforms.Affine()(affine, start).sin()
        native, reference = both(x, theta, family, (6, 5), mode=kernel)
    assert_matches(native, reference, "backend")
    assert len(ops_called) == 1


def test_k_warps_of_each_image_in_any_memory_order():
    x = image((16, 12), batch=2, channels=6)
    theta = torch.tensor(list(MAPS.values()))[None].repeat(2, 1, 1, 1) * torch.rand(2, 5, 1, 1, generator=generator())
    expected = unwarp.warp(x, theta, "affine", 4, antialias=True, backend="reference")
    for same in (x, x.to(memory_format=torch.channels_last), x.mT.contiguous().mT):
        assert_matches(unwarp.warp(same, theta, "affine", 4, antialias=True, backend="native"), expected, "backend")


@pytest.mark.parametrize("antialias", [True, 2.0])
@pytest.mark.parametrize("kernel", ["bilinear", "bicubic"])
@pytest.mark.parametrize("padding", padding.MODES)
def test_the_identity_is_exact(padding, kernel, antialias):
    x = image((9, 37), batch=1, channels=3)
    options = {"mode": kernel, "padding_mode": padding, "antialias": antialias, "backend": "native"}
    assert_same(unwarp.warp(x, torch.eye(2, 3)[None], "affine", **options), x)
    assert_same(unwarp.warp(x, torch.eye(3).flatten()[None, :8], "projective", **options), x)


@pytest.mark.parametrize("kernel", [kernels.Linear(), kernels.Cubic(-0.5)], ids=repr)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_samples_that_reach_no_border(dtype, kernel, ops_called):
    """They take a way of their own; a NaN pixel stays within the kernel's reach."""
    x = image((150, 170), batch=1, channels=4, dtype=dtype)
    theta = torch.tensor([[[0.4, 0.1, 0.05], [-0.15, 0.3, -0.1]]], dtype=dtype)
    for size in ((40, 50), (9, 7), (4, 3)):
        native, reference = both(x, theta, size=size, mode=kernel)
        assert_matches(native, reference, "backend")
    x[..., 80, 90] = math.nan
    native, reference = both(x, theta, size=(40, 50), mode=kernel)
    assert native.isnan().any()
    assert not (native.isnan() & ~reference.isnan()).any()  # the reference reads pixels of weight 0 as well
    assert len(ops_called) == 4


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e30, 1e6, -1e4])
@pytest.mark.parametrize("padding", padding.MODES)
@pytest.mark.parametrize("where", [(0, 0), (1, 2)])
def test_wild_maps(where, padding, value):
    x = image((8, 9), batch=1, channels=2)
    theta = torch.eye(2, 3)[None].clone()
    theta[0][where] = value
    native, reference = both(x, theta, size=(3, 3), padding_mode=padding)
    assert_same(native.isnan(), reference.isnan())
    if padding in ("zeros", "border", "fill"):  # elsewhere float32 has no digits left for the phase
        assert_matches(native.nan_to_num(), reference.nan_to_num(), "backend")


def test_a_pixel_outside_of_the_kernel_is_not_read():
    x = image((32, 32), batch=1, channels=1)
    expected = unwarp.warp(x, torch.eye(2, 3)[None], "affine", 4, antialias=True, backend="native")
    x[..., 20:, :] = math.nan
    sampled = unwarp.warp(x, torch.eye(2, 3)[None], "affine", 4, antialias=True, backend="native")
    assert_same(sampled[..., :2, :], expected[..., :2, :])
    assert sampled[..., 2:, :].isnan().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_blended_in_float32(dtype):
    x = image((20, 21), batch=1).to(dtype)
    native, reference = both(x, torch.tensor([MAPS["shrink"]]), size=5)
    assert native.dtype == dtype
    assert_matches(native, reference, "rounded")


def test_threads_share_the_work():
    x, theta = image((64, 64), batch=2), torch.tensor([MAPS["shrink"], MAPS["thin"]])
    threads, results = torch.get_num_threads(), []
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            results.append(unwarp.warp(x, theta, "affine", 33, antialias=True, backend="native"))
    finally:
        torch.set_num_threads(threads)
    assert_same(*results)


def test_the_ops_check_what_they_are_given():
    x, matrix = torch.zeros(2, 1, 4, 4), torch.eye(2, 3)[None]
    op, options = torch.ops.unwarp.warp_affine_antialiased, (4.0, 1, 0.0, 0, None, False)
    for arguments in ((x, matrix, [4, 4]), (x[:1].int(), matrix, [4, 4]), (x[:1], matrix, [0, 4])):
        with pytest.raises(RuntimeError, match="expected"):
            op(*arguments, *options)
    with pytest.raises(RuntimeError, match="expected linear or cubic"):
        op(x[:1], matrix, [4, 4], 4.0, 0, 0.0, 0, None, False)
