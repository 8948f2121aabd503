"""What holds for every kernel, with every padding, in every dimension."""

import pytest
import torch

import unwarp
from support.generators import image, off_lattice_grid
from support.tolerances import assert_matches, assert_same
from unwarp import kernels, padding

INTERPOLATING = ("nearest", "bilinear", "bicubic", "lanczos2", "lanczos3", "lanczos4", "bspline0", "bspline1")
SPLINES = tuple(f"bspline{order}" for order in range(2, 8))
CONTINUOUS = ("bilinear", "bicubic", "lanczos3", "bspline2", "bspline3", "gaussian")
SIZES = {1: (63,), 2: (7, 1), 3: (5, 1, 7)}

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own forward mode uses it

every_kernel = pytest.mark.parametrize("kernel", kernels.MODES)
every_padding = pytest.mark.parametrize("padding", padding.MODES)
every_ndim = pytest.mark.parametrize("ndim", [1, 2, 3])


def identity_of(ndim, dtype=torch.float32):
    return torch.eye(ndim, ndim + 1, dtype=dtype)[None]


@every_ndim
@pytest.mark.parametrize("padding", [mode for mode in padding.MODES if mode != "zeros"])
@every_kernel
def test_a_constant_image_stays_constant(kernel, padding, ndim):
    """Weights sum to 1."""
    constant = torch.full((1, 1, *SIZES[ndim]), 3.0)
    sampled = unwarp.warp(constant, 0.9 * identity_of(ndim), "affine", mode=kernel, padding_mode=padding)
    assert_matches(sampled, constant, "spline" if kernel in SPLINES else "rearranged")


@every_ndim
@pytest.mark.parametrize("kernel", [kernel for kernel in kernels.MODES if kernel not in SPLINES])
def test_a_constant_image_stays_constant_away_from_zeros(kernel, ndim):
    constant = torch.full((1, 1, *(9,) * ndim), 3.0)
    sampled = unwarp.warp(constant, 0.1 * identity_of(ndim), "affine", 3, mode=kernel, padding_mode="zeros")
    assert_matches(sampled, torch.full_like(sampled, 3.0), "rearranged")


@every_ndim
@every_padding
@pytest.mark.parametrize("kernel", INTERPOLATING)
def test_the_identity_returns_the_image_bit_for_bit(kernel, padding, ndim):
    x = image(SIZES[ndim])
    theta = identity_of(ndim)
    assert_same(unwarp.warp(x, theta, "affine", mode=kernel, padding_mode=padding), x)


@every_ndim
@every_padding
@pytest.mark.parametrize("kernel", SPLINES)
def test_splines_pass_through_the_pixels(kernel, padding, ndim):
    x = image(SIZES[ndim], batch=1, channels=1, dtype=torch.float32 if ndim == 3 else torch.float64)
    sampled = unwarp.warp(x, identity_of(ndim), "affine", mode=kernel, padding_mode=padding)
    assert_matches(sampled, x, "spline")


@every_ndim
@every_padding
@pytest.mark.parametrize("kernel", CONTINUOUS)
def test_far_outside_is_the_limit_of_the_padding(kernel, padding, ndim):
    size = (5, 4, 6)[:ndim]
    x = image(size, batch=1, channels=1)
    grid = torch.full((1, 2, ndim), 1e6)
    grid[:, 1] = -torch.inf
    sampled = unwarp.sample(x, grid, mode=kernel, padding_mode=padding, fill_value=0.25 if padding == "fill" else 0.0)
    corners = x.flatten()[[-1, 0]]
    if padding in ("reflection", "circular"):
        assert sampled[0, 0, 0].isfinite()
        assert sampled[0, 0, 1].isnan()
        return
    limit = {"zeros": torch.zeros(2), "border": corners, "fill": torch.full((2,), 0.25)}[padding]
    assert_matches(sampled[0, 0], limit, "rearranged")


@every_ndim
@every_padding
@pytest.mark.parametrize("kernel", CONTINUOUS)
def test_gradients_off_the_lattice(kernel, padding, ndim):
    size = (4, 3, 5)[:ndim]
    x = image(size, batch=1, channels=1, dtype=torch.float64).requires_grad_()
    grid = off_lattice_grid(size, (3,), align_corners=False, batch=1).requires_grad_()

    def sample(x, grid):
        return unwarp.sample(x, grid, mode=kernel, padding_mode=padding, backend="reference")

    torch.autograd.gradcheck(sample, (x, grid), fast_mode=True, check_forward_ad=True)
    if ndim < 3:
        torch.autograd.gradgradcheck(sample, (x, grid), fast_mode=True)


@every_padding
@pytest.mark.parametrize("kernel", ["bilinear", "bicubic", "lanczos2", "lanczos3", "lanczos4", *SPLINES, "gaussian"])
def test_the_gradient_on_the_lattice_lies_between_the_one_sided_differences(kernel, padding):
    n, step = 7, 1e-6
    x = image((n,), batch=1, channels=1, dtype=torch.float64)
    pixels = torch.arange(-2.0, n + 2, dtype=torch.float64)

    def at(shift):
        grid = unwarp.coordinates.pixel_to_normalised((pixels + shift)[None, :, None], (n,))
        return unwarp.sample(x, grid, mode=kernel, padding_mode=padding, backend="reference")[0, 0]

    _, slope = torch.func.jvp(at, (torch.zeros_like(pixels),), (torch.ones_like(pixels),))
    here, before, after = at(0.0), at(-step), at(step)
    left, right = (here - before) / step, (after - here) / step
    slack = 1e-4  # the second derivative times the step, and rounding over the step
    assert (slope >= torch.minimum(left, right) - slack).all()
    assert (slope <= torch.maximum(left, right) + slack).all()


@every_padding
@every_kernel
def test_sizes_of_one_pixel(kernel, padding):
    x = torch.full((1, 1, 1, 1), 2.0, dtype=torch.float64)
    grid = torch.tensor([[[0.0, 0.0], [0.5, -0.5]]], dtype=torch.float64)
    for align_corners in (False, True):
        sampled = unwarp.sample(x, grid, mode=kernel, padding_mode=padding, align_corners=align_corners)
        assert sampled.isfinite().all()
        if padding != "zeros":
            assert_matches(sampled, torch.full_like(sampled, 2.0), "spline")


@every_kernel
def test_a_kernel_object_is_the_same_as_its_name(kernel):
    x, grid = image((6, 7)), off_lattice_grid((6, 7), (5,), align_corners=True, dtype=torch.float32)
    by_name = unwarp.sample(x, grid, mode=kernel, align_corners=True)
    assert_same(unwarp.sample(x, grid, mode=kernels.resolve(kernel), align_corners=True), by_name)


@every_kernel
def test_weights_are_the_kernel_at_the_taps(kernel):
    k = kernels.resolve(kernel)
    position = torch.linspace(3, 4, 41, dtype=torch.float64)[:-1] + 0.003
    anchor = k.anchor(position)
    distances = (position - anchor)[:, None] - torch.tensor(list(k.offsets), dtype=torch.float64)
    values = k(distances)
    expected = values if k.partition_of_unity else values / values.sum(-1, keepdim=True)
    assert_matches(k.weights(position - anchor), expected, "rearranged")


@every_kernel
def test_the_kernel_is_zero_at_and_beyond_its_support(kernel):
    k = kernels.resolve(kernel)
    beyond = k.support + torch.tensor([1e-9, 0.25, 1.0, 3.0, 100.0], dtype=torch.float64)
    for side in (-1, 1):
        assert_matches(k(side * beyond), torch.zeros(5, dtype=torch.float64), "rearranged")


@every_kernel
def test_the_taps_hold_the_support(kernel):
    """No pixel within the support is left out."""
    k = kernels.resolve(kernel)
    position = torch.linspace(-3, 3, 61, dtype=torch.float64) + 0.01
    pixels = torch.arange(-12, 13, dtype=torch.float64)
    everywhere = k(position[:, None] - pixels)
    first = k.anchor(position)[:, None] + torch.tensor(list(k.offsets), dtype=torch.float64)
    taken = (pixels[None, :, None] == first[:, None]).any(-1)
    assert everywhere[~taken].abs().max() == 0
