"""The adjoint of anti-aliased sampling in C++: the reference's gradients."""

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


def gradients(x, theta, *arguments, **options):
    """Of image and theta, by the ops and by the reference, of a loss with a weight for each pixel."""
    leaves = x.clone().requires_grad_(), theta.clone().requires_grad_()
    found = []
    for warped in both(*leaves, *arguments, **options):
        weights = torch.randn(warped.shape, generator=generator(3), dtype=torch.float64).to(warped.dtype)
        found.append(torch.autograd.grad(warped, leaves, weights))
    return found


def assert_gradients_match(found):
    """Beside the largest: a matrix's gradient sums thousands of pixels."""
    for native, reference in zip(*found, strict=True):
        scale = reference.abs().max()
        assert scale > 0.01
        assert_matches(native / scale, reference / scale, "backend")


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("kernel", [kernels.Linear(), kernels.Cubic(), kernels.Cubic(-0.5)], ids=repr)
@pytest.mark.parametrize("padding", padding.MODES)
def test_gradients(kernel, padding, align_corners, ops_called):
    theta = torch.tensor(list(MAPS.values())) + 0.0137  # no sample on a pixel, where rounding decides the linear slope
    for dtype, channels in ((torch.float32, 1), (torch.float64, 6)):
        x = image((40, 33), batch=1, channels=channels, dtype=dtype)
        options = {"mode": kernel, "padding_mode": padding, "align_corners": align_corners}
        options |= {"fill_value": 0.3} if padding == "fill" else {}
        assert_gradients_match(gradients(x, theta.to(dtype), size=(9, 8), **options))
    assert len(ops_called) == 4


@pytest.mark.parametrize("kernel", ["bilinear", "bicubic"])
@pytest.mark.parametrize("family", ["projective", "thin_plate_spline"])
def test_gradients_where_the_jacobian_varies(family, kernel, ops_called):
    x = image((30, 41), channels=3, dtype=torch.float64)
    affine = torch.tensor([MAPS["shrink"], MAPS["half"]], dtype=torch.float64) / 2
    theta = torch.cat([affine.flatten(1), torch.tensor([[0.3, 0.2], [-0.1, 0.4]], dtype=torch.float64)], dim=1)
    if family == "thin_plate_spline":
        theta = unwarp.transforms.Affine()(
            affine, unwarp.transforms.ThinPlateSpline().identity(dtype=torch.float64)
        ).sin()
    assert_gradients_match(gradients(x, theta, family, (6, 5), mode=kernel))
    assert len(ops_called) == 2


def test_gradients_with_a_largest_shrink(ops_called):
    x, theta = image((40, 33), batch=1, dtype=torch.float64), torch.tensor([MAPS["shrink"], MAPS["thin"]]).double()
    leaves = x.requires_grad_(), theta.requires_grad_()
    found = [
        torch.autograd.grad(unwarp.warp(*leaves, "affine", 9, antialias=2.5, backend=backend).sin().sum(), leaves)
        for backend in ("native", "reference")
    ]
    assert_gradients_match(found)
    assert len(ops_called) == 2


@pytest.mark.parametrize("kernel", ["bilinear", "bicubic"])
@pytest.mark.parametrize("padding", padding.MODES)
def test_gradients_at_the_identity(padding, kernel, ops_called):
    """Where every sample lies on a pixel, and the linear kernel's slope is the right-hand one."""
    x, theta = image((9, 11), batch=1, channels=3, dtype=torch.float64), torch.eye(2, 3, dtype=torch.float64)[None]
    assert_gradients_match(gradients(x, theta, mode=kernel, padding_mode=padding))
    assert not ops_called, "plain sampling does"


def test_gradients_of_many_warps_in_any_memory_order():
    x = image((16, 12), batch=2, channels=6, dtype=torch.float64)
    theta = torch.tensor(list(MAPS.values())).double()[None].repeat(2, 1, 1, 1)
    for same in (x, x.to(memory_format=torch.channels_last), x.mT.contiguous().mT, x[:1].expand(2, -1, -1, -1)):
        assert_gradients_match(gradients(same, theta, size=4))


@pytest.mark.parametrize("image_needed", [True, False])
def test_only_what_needs_a_gradient_gets_one(image_needed):
    x, theta = image((20, 21), batch=1), torch.tensor([MAPS["shrink"]])
    expected, _ = gradients(x, theta, size=5)
    chosen = 0 if image_needed else 1
    leaves = x.clone().requires_grad_(image_needed), theta.clone().requires_grad_(not image_needed)
    warped = both(*leaves, size=5)[0]
    weights = torch.randn(warped.shape, generator=generator(3), dtype=torch.float64).to(warped.dtype)
    warped.backward(weights)
    assert_same(leaves[chosen].grad, expected[chosen])
    assert leaves[1 - chosen].grad is None


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e30, -1e4])
@pytest.mark.parametrize("padding", padding.MODES)
def test_gradients_under_wild_maps(padding, value):
    """What has no value leaves the image's gradient alone, and shows in that of theta."""
    x, theta = image((8, 9), batch=1, channels=2), torch.eye(2, 3).repeat(2, 1, 1)
    theta[0, 0, 2] = value
    native, reference = gradients(x, theta, size=(3, 3), padding_mode=padding)
    assert native[0].isfinite().all()
    assert_same(native[1].isnan(), reference[1].isnan())
    assert_matches(native[1][1], reference[1][1], "backend")
    if padding in ("zeros", "border", "fill"):
        assert_matches(native[0], reference[0], "backend")


def test_second_derivatives_are_the_references():
    leaves = image((12, 13), batch=1, dtype=torch.float64), torch.tensor([MAPS["shrink"]]).double()
    leaves = [leaf.requires_grad_() for leaf in leaves]
    found = []
    for warped in both(*leaves, size=4):
        first = torch.autograd.grad(warped.sin().sum(), leaves, create_graph=True)
        found.append(torch.autograd.grad(sum(part.square().sum() for part in first), leaves))
    assert_gradients_match(found)


def test_gradcheck():
    leaves = (
        image((7, 8), batch=1, channels=5, dtype=torch.float64),
        torch.tensor([MAPS["shrink"], MAPS["half"]]).double(),
    )
    leaves = [leaf.requires_grad_() for leaf in leaves]
    torch.autograd.gradcheck(lambda x, theta: unwarp.warp(x, theta, "affine", 3, antialias=True), leaves)


def test_gradients_have_the_same_bits_with_any_number_of_threads():
    x, theta = image((64, 64), batch=2, channels=7), torch.tensor([MAPS["shrink"], MAPS["thin"]])
    threads, results = torch.get_num_threads(), []
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            results.append(gradients(x, theta, size=33)[0])
    finally:
        torch.set_num_threads(threads)
    for one, several in zip(*results, strict=True):
        assert_same(one, several)


def test_gradients_of_half_precision_are_summed_in_float32():
    theta = torch.tensor([MAPS["shrink"]])
    x = image((20, 21), batch=1)
    half = x.bfloat16()
    native, _ = gradients(half, theta, size=5)
    expected, _ = gradients(half.float(), theta, size=5)
    assert native[0].dtype == torch.bfloat16
    assert native[1].dtype == torch.float32
    assert (native[1] - expected[1]).abs().max() < 0.02 * expected[1].abs().max()
