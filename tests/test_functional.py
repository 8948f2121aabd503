"""`make_grid`, `sample` and `warp`: values and gradients against torch and against the paper's equations."""

import math

import pytest
import torch
from torch import Tensor

import unwarp
from support.active_backends import every_backend, exact_backends
from support.generators import generator, image, off_lattice_grid, theta_near_identity
from support.oracles import one_sided_differences, sample_by_loops, torch_affine, torch_grid, torch_sample
from support.tolerances import assert_matches, assert_same
from unwarp import make_grid, sample, warp
from unwarp.padding import MODES
from unwarp.transforms import Affine

PADDINGS = ("zeros", "border", "reflection")
SIZES = {2: ((9, 14), (5, 7)), 3: ((6, 9, 5), (4, 3, 7))}

both_alignments = pytest.mark.parametrize("align_corners", [False, True])
both_precisions = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
paddings_of_torch = pytest.mark.parametrize("padding", PADDINGS)


def with_gradients(function, *inputs: Tensor) -> tuple[Tensor, ...]:
    """The result, and the gradients of an uneven mean of it."""
    leaves = [leaf.detach().clone().requires_grad_() for leaf in inputs]
    result = function(*leaves)
    weights = torch.rand(result.shape, generator=generator(5), dtype=torch.float64).to(result) / result[0, 0].numel()
    return result.detach(), *torch.autograd.grad(result, leaves, weights)


def assert_all_match(actual: tuple[Tensor, ...], expected: tuple[Tensor, ...], kind: str) -> None:
    for what, ours, theirs in zip(("values", "image gradient", "theta gradient"), actual, expected, strict=True):
        assert_matches(ours, theirs, kind, what=what)


@every_backend
@both_alignments
@paddings_of_torch
@pytest.mark.parametrize(
    ("mode", "ndim"), [("bilinear", 2), ("nearest", 2), ("bicubic", 2), ("bilinear", 3), ("nearest", 3)]
)
@both_precisions
def test_warp_is_affine_grid_and_grid_sample_of_torch(dtype, mode, ndim, padding, align_corners, backend):
    size_in, size_out = SIZES[ndim]
    source, theta = image(size_in, dtype=dtype), theta_near_identity(Affine(ndim), spread=0.5, dtype=dtype)
    options = {"mode": mode, "padding_mode": padding}

    def ours(source, theta):
        return warp(source, theta, "affine", size_out, align_corners=align_corners, backend=backend, **options)

    def theirs(source, theta):
        return torch_affine(source, theta, size_out, align_corners=align_corners, **options)

    assert_all_match(with_gradients(ours, source, theta), with_gradients(theirs, source, theta), "torch")


@every_backend
@both_alignments
@paddings_of_torch
@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
@pytest.mark.parametrize("ndim", [2, 3])
@both_precisions
def test_sample_is_grid_sample_of_torch(dtype, ndim, mode, padding, align_corners, backend):
    size_in, size_out = SIZES[ndim]
    grid = off_lattice_grid(size_in, size_out, align_corners=align_corners, dtype=dtype)
    options = {"mode": mode, "padding_mode": padding, "align_corners": align_corners}
    ours = with_gradients(
        lambda *inputs: sample(*inputs, backend=backend, **options), image(size_in, dtype=dtype), grid
    )
    theirs = with_gradients(lambda *inputs: torch_sample(*inputs, **options), image(size_in, dtype=dtype), grid)
    assert_all_match(ours, theirs, "torch")


@every_backend
@both_alignments
@pytest.mark.parametrize("padding", MODES)
@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_sample_is_the_sum_over_pixels_of_the_paper(ndim, mode, padding, align_corners, backend):
    size = (4, 5, 3)[:ndim]
    source = image(size, batch=1, channels=2, dtype=torch.float64)
    grid = off_lattice_grid(size, (40,), align_corners=align_corners, batch=1, reach=0.2 if padding == "fill" else 2.0)
    fill = {"fill_value": [0.25, -2.0]} if padding == "fill" else {}
    options = {"mode": mode, "padding_mode": padding, "align_corners": align_corners}
    if backend == "aten" and (ndim == 1 or padding not in PADDINGS):
        with pytest.raises(
            unwarp.BackendError, match=r"backend: 'aten' cannot evaluate this: torch .*\. Use backend='auto'\."
        ):
            sample(source, grid, backend=backend, **options, **fill)
        return
    sampled = sample(source, grid, backend=backend, **options, **fill)[0]
    pixels = unwarp.coordinates.normalised_to_pixel(grid[0], size, align_corners=align_corners)
    expected = sample_by_loops(source[0], pixels, **options)
    if padding == "fill":
        outside = (grid[0].abs() > 1).any(-1)
        expected = torch.where(outside, torch.tensor([[0.25], [-2.0]], dtype=torch.float64), expected)
        assert 5 < outside.sum() < 39
    assert_matches(sampled, expected, "oracle")


@every_backend
@both_alignments
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("ndim", [2, 3])
def test_gradients_are_those_of_differences(ndim, padding, align_corners, backend):
    size_in, size_out = (3, 4, 2)[:ndim], (3, 2, 1)[:ndim]
    source = image(size_in, batch=1, channels=1, dtype=torch.float64).requires_grad_()
    grid = off_lattice_grid(size_in, size_out, align_corners=align_corners, reach=0.4).requires_grad_()
    options = {"padding_mode": padding, "align_corners": align_corners, "backend": backend}
    assert torch.autograd.gradcheck(lambda source, grid: sample(source, grid, **options), (source, grid))
    theta = theta_near_identity(Affine(ndim), spread=0.3, batch=1).requires_grad_()
    options["size"] = size_out
    assert torch.autograd.gradcheck(lambda source, theta: warp(source, theta, "affine", **options), (source, theta))


@every_backend
@paddings_of_torch
@pytest.mark.parametrize("ndim", [2, 3])
def test_on_the_lattice_the_gradient_lies_between_the_one_sided_differences(ndim, padding, backend):
    """At a kink any slope between the two is a derivative of some kind; the paper's eq. 7 taken literally is none."""
    size = (4, 5, 3)[:ndim]
    source = image(size, batch=1, channels=1, dtype=torch.float64)
    grid = make_grid(size, dtype=torch.float64)[None].requires_grad_()

    def total(grid):
        # Of one pixel alone, or differences of the other pixels would hide behind rounding.
        return sample(source, grid, padding_mode=padding, backend=backend).sum()

    (slope,) = torch.autograd.grad(total(grid), grid)
    left, right = one_sided_differences(total, grid.detach(), step=1e-6)
    margin = 1e-6
    assert (slope >= torch.minimum(left, right) - margin).all()
    assert (slope <= torch.maximum(left, right) + margin).all()
    assert (slope.abs() > 0.1).sum() > slope.numel() / 3


@exact_backends
def test_the_gradient_of_the_identity_is_not_zero_and_looks_to_the_right(backend):
    """Every transformer starts at the identity with all samples on the lattice: a slope of 0 there learns nothing."""
    source = image((1, 6), batch=1, channels=1, dtype=torch.float64)
    theta = torch.eye(2, 3, dtype=torch.float64)[None].requires_grad_()
    warped = warp(source, theta, "affine", backend=backend)
    (slope,) = torch.autograd.grad(warped[0, 0, 0, 2], theta)
    difference = (source[0, 0, 0, 3] - source[0, 0, 0, 2]) * 3  # 3 pixels a unit of x
    assert_matches(slope[0, 0, 2], difference, "oracle")


@every_backend
@both_alignments
def test_border_padding_has_no_slope_at_the_border_and_beyond(align_corners, backend):
    source = image((5, 5), batch=1, channels=1, dtype=torch.float64)
    edge = 1.0 if align_corners else 0.8  # the centre of the last pixel
    along = torch.tensor([-3.0, -1.0, -edge, edge, 1.0, 1.01, 3.0], dtype=torch.float64)
    grid = torch.stack([along, torch.full_like(along, 0.1)], -1)[None].requires_grad_()
    sampled = sample(source, grid, padding_mode="border", align_corners=align_corners, backend=backend)
    (slope,) = torch.autograd.grad(sampled.sum(), grid)
    assert not slope[..., 0].any()
    assert slope[..., 1].all()


@every_backend
def test_one_image_serves_all_thetas_and_one_theta_all_images(backend):
    source, theta = image((6, 7), batch=1), theta_near_identity(Affine(), batch=5, dtype=torch.float32)
    together = warp(source, theta, "affine", backend=backend)
    assert_same(together, warp(source.expand(5, -1, -1, -1), theta, "affine", backend=backend))
    source = image((6, 7), batch=4)
    together = warp(source, theta[:1], "affine", backend=backend)
    assert_same(together, warp(source, theta[:1].expand(4, -1, -1), "affine", backend=backend))
    grid = torch_grid(theta, (3, 4), align_corners=False)
    assert_same(
        sample(source[:1], grid, backend=backend), sample(source[:1].expand(5, -1, -1, -1), grid, backend=backend)
    )
    assert sample(source, grid[:1], backend=backend).shape == (4, 3, 3, 4)


@every_backend
@pytest.mark.parametrize("family", ["affine", "projective", "thin_plate_spline", "flow"])
@pytest.mark.parametrize("images", [1, 3])
def test_several_thetas_an_image_are_a_loop(images, family, backend):
    transform = unwarp.transforms.create(family, 2)
    theta = theta_near_identity(transform, batch=6, dtype=torch.float64).unflatten(0, (3, 2))
    source = image((6, 7), batch=images, dtype=torch.float64)
    options = {"size": (4, 5), "padding_mode": "border", "backend": backend}

    def at_once(source, theta):
        return warp(source, theta, transform, **options)

    def loop(source, theta):
        return torch.stack([warp(source, theta[:, k], transform, **options) for k in range(2)], 1)

    assert at_once(source, theta).shape == (3, 2, 3, 4, 5)
    assert_all_match(with_gradients(at_once, source, theta), with_gradients(loop, source, theta), "oracle")


@pytest.mark.parametrize("backend", ["reference", "auto"])
@pytest.mark.parametrize("backward", [False, True])
def test_a_shared_image_is_not_copied(backward, backend):
    """64 warps of 64 pixels from one image of a million: a copy for each would be 64 images."""
    source = torch.rand(1, 1, 1024, 1024, requires_grad=backward)
    theta = torch.eye(2, 3).repeat(64, 1, 1).requires_grad_(backward)
    with torch.profiler.profile(profile_memory=True) as profile:
        warped = warp(source, theta, "affine", (8, 8), backend=backend)
        if backward:
            warped.sum().backward()
    allocated = sum(event.cpu_memory_usage for event in profile.events() if event.cpu_memory_usage > 0)
    # Every tap of the reference makes a gradient of the whole image, one after the other.
    assert allocated < 32 * source.nbytes


def test_memory_formats_and_strides_do_not_matter():
    source = image((6, 7), batch=4, channels=6)
    theta = theta_near_identity(Affine(), dtype=torch.float32)
    for view in (
        source[:2].contiguous(memory_format=torch.channels_last),
        source[::2, ::2],
        source.transpose(2, 3)[1:3],
        source[:1].expand(2, -1, -1, -1),
        source[:2].flip(-1),
    ):
        assert_matches(warp(view, theta, "affine"), warp(view.contiguous(), theta, "affine"), "rearranged")


def test_complex_images_are_two_real_ones():
    real, imaginary = image((6, 7), dtype=torch.float64), image((6, 7), dtype=torch.float64, seed=1)
    theta = theta_near_identity(Affine()).requires_grad_()
    warped = warp(torch.complex(real, imaginary), theta, "affine")
    assert_matches(warped.real, warp(real, theta, "affine"), "rearranged")
    assert_matches(warped.imag, warp(imaginary, theta, "affine"), "rearranged")
    (slope,) = torch.autograd.grad(warped.imag.sum(), theta)
    assert_matches(slope, torch.autograd.grad(warp(imaginary, theta, "affine").sum(), theta)[0], "oracle")


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int32, torch.int64])
def test_integer_images_are_picked_not_blended(dtype):
    source = (image((8, 9), dtype=torch.int64) > 50) if dtype == torch.bool else image((8, 9), dtype=dtype)
    theta = theta_near_identity(Affine(), spread=0.7, dtype=torch.float32)
    for padding in MODES:
        fill = {"fill_value": 1} if padding == "fill" else {}
        warped = warp(source, theta, "affine", mode="nearest", padding_mode=padding, **fill)
        expected = warp(source.double(), theta, "affine", mode="nearest", padding_mode=padding, **fill)
        assert warped.dtype == dtype
        assert torch.equal(warped.double(), expected)


def test_a_fill_value_can_be_learned():
    fill = torch.tensor([0.5, 1.0, 2.0], requires_grad=True)
    outside = Affine().identity()[None] + torch.tensor([[0, 0, 9.0], [0, 0, 0]])
    warp(image((4, 5)), outside, "affine", padding_mode="fill", fill_value=fill).sum().backward()
    assert fill.grad.tolist() == [40.0, 40.0, 40.0]


@exact_backends
def test_a_projective_horizon_shows_padding_and_finite_gradients(backend):
    # w = 1 - 4 x is negative in the right three eighths, whose x / w lies within the image all the same.
    theta = torch.tensor([[1.0, 0, 0, 0, 1, 0, -4.0, 0]], requires_grad=True)
    options = {"padding_mode": "fill", "fill_value": 7.0, "backend": backend}
    warped = warp(torch.ones(1, 1, 8, 8), theta, "projective", **options)
    assert (warped[..., 5:] == 7).all()
    assert (warped[..., :4] == 1).all()
    warped.sum().backward()
    assert theta.grad.isfinite().all()


def test_make_grid_is_a_grid_that_samples_the_image_itself():
    source = image((5, 8), dtype=torch.float64)
    for align_corners in (False, True):
        grid = make_grid((5, 8), align_corners=align_corners, dtype=torch.float64)
        assert grid.shape == (5, 8, 2)
        assert_matches(sample(source, grid[None], align_corners=align_corners), source, "oracle")
    assert make_grid(4).shape == (4, 1)
    assert make_grid((2, 3, 4), device="meta").device.type == "meta"
    assert make_grid(3, dtype=torch.float16).dtype == torch.float16


def test_a_rotation_turns_pixels_the_way_the_conventions_say():
    """theta maps output to input: by a quarter turn from x to y the output's +x end reads the input's +y end."""
    source = torch.zeros(1, 1, 3, 3)
    source[0, 0, 2, 1] = 1  # below the centre: +y
    turned = warp(source, torch.tensor([[math.pi / 2, 0.0, 0.0]]), "rigid", mode="nearest")
    assert turned[0, 0].nonzero().tolist() == [[1, 2]]


def test_the_meta_device_gives_shapes():
    for family in ("affine", "thin_plate_spline", "flow"):
        theta = unwarp.transforms.create(family, 2).identity()[None].to("meta")
        assert warp(torch.empty(3, 2, 5, 6, device="meta"), theta, family, (7, 4)).shape == (3, 2, 7, 4)


@every_backend
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_one_position_an_image(backend, mode):
    source, grid = image((5, 6)), torch.tensor([[0.1, -0.3], [0.7, 0.2]])
    source = source[:1].expand(2, -1, -1, -1)
    given = unwarp.sample(source, grid, mode=mode, backend=backend)
    assert_same(given, unwarp.sample(source, grid[:, None], mode=mode, backend=backend)[..., 0])
