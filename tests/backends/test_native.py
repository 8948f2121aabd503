"""The C++ ops against the reference: values and gradients, whatever the shape, memory order, dtype and padding."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import unwarp
from support.generators import generator, image, off_lattice_grid
from support.native_cases import NATIVE, assert_same, evaluate, needs_native, sampling
from support.tolerances import assert_matches
from unwarp.backends import Case, Sampling
from unwarp.kernels import Linear, resolve
from unwarp.padding import MODES

pytestmark = needs_native

KERNELS = ("nearest", "bilinear", "bicubic")
SIZES = {1: ((1,), (7,), (63,)), 2: ((1, 7), (7, 1), (63, 17)), 3: ((1, 2, 3), (7, 6, 5), (3, 17, 9))}
# Not a multiple of any vector length, and more than one small tile (512 pixels; 128 for 64 taps).
OUT = {1: (523,), 2: (23, 37), 3: (5, 9, 13)}


def grid_arguments(size, *, batch=2, align_corners=False, dtype=torch.float64, seed=0):
    """A grid in normalised units that reaches an image width outside, and its scale."""
    ndim = len(size)
    grid = off_lattice_grid(size, OUT[ndim], align_corners=align_corners, batch=batch, dtype=dtype, seed=seed)
    return grid, tuple((n - 1) / 2 if align_corners else n / 2 for n in reversed(size))


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_grid_equals_the_reference(ndim, kernel, mode, align_corners):
    for size in SIZES[ndim]:
        grid, scale = grid_arguments(size, align_corners=align_corners)
        chosen = sampling(kernel, mode, align_corners=align_corners)
        assert_same("sample_grid", image(size, dtype=torch.float64), grid, scale, chosen)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("projective", [False, True])
def test_matrix_equals_the_reference(projective, dtype, kernel, mode):
    for ndim in (1, 2, 3):
        matrix = torch.eye(ndim + projective, ndim + 1, dtype=dtype)
        matrix = matrix + 0.013 * torch.randn(4, *matrix.shape, generator=generator(ndim), dtype=dtype)
        # Positions stay within 64 pixels: further out float32 rounds them by more than the tolerance.
        matrix[:, :ndim, :ndim] *= 0.2
        matrix[:, ndim:, :ndim] *= 0.05  # no pixel comes near the horizon
        matrix[:, :ndim, ndim] += 0.37
        for size in SIZES[ndim]:
            source = image(size, dtype=dtype)
            assert_same("warp_matrix", source, matrix, OUT[ndim], sampling(kernel, mode))


@pytest.mark.parametrize("terms", [1, 19])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_basis_equals_the_reference(ndim, transposed, terms):
    drawn = generator(3)
    basis = torch.randn(math.prod(OUT[ndim]), terms, generator=drawn, dtype=torch.float64)
    basis = basis.mT.contiguous().mT if transposed else basis
    coefficients = torch.randn(4, terms, ndim, generator=drawn, dtype=torch.float64)
    for size in SIZES[ndim]:
        source, ratio = image(size, dtype=torch.float64), (0.9, 1.1, 1.3)[:ndim]
        assert_same("warp_basis", source, coefficients, basis, ratio, OUT[ndim], sampling("bilinear", "border"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("out", [(1,), (65,), (9, 1), (40, 3), (30, 16), (5, 130), (6, 7, 1), (3, 1, 40), (4, 2, 33)])
def test_the_pixels_of_a_basis_lie_in_rows_of_any_length(out, dtype):
    drawn, ndim = generator(3), len(out)
    basis = torch.randn(5, math.prod(out), generator=drawn, dtype=dtype).mT
    coefficients = torch.randn(2, 5, ndim, generator=drawn, dtype=dtype)
    source, ratio = image((8, 9, 10)[:ndim], dtype=dtype), (0.9, 1.1, 1.3)[:ndim]
    assert_same("warp_basis", source, coefficients, basis, ratio, out, sampling("bicubic", "border"))


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 8, 16, 19, 40])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("channels_last", [False, True])
def test_any_number_of_channels(channels_last, dtype, channels):
    """Each route through memory: single planes, four planes interleaved, packed groups of 16, channels_last."""
    source = image((19, 21), channels=channels, dtype=dtype)
    if channels_last:
        source = source.contiguous(memory_format=torch.channels_last)
    grid, scale = grid_arguments((19, 21), batch=4, dtype=dtype)
    for mode in ("zeros", "circular", "fill"):
        assert_same("sample_grid", source, grid, scale, sampling("bilinear", mode, channels=channels))


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_large_tiles(channels):
    """Samples enough for two threads to take 2048 at a time: the gradient by way of scratch memory, and directly."""
    size = (60, 61)
    # Planes that rise evenly: their slope is the same on both sides of every pixel a rounded position may cross.
    rising = torch.linspace(0, 1, size[0])[:, None] - torch.linspace(0, 2, size[1])
    source = rising * torch.linspace(1, 2, 2 * channels).view(2, channels, 1, 1)
    grid = off_lattice_grid(size, (111, 163), align_corners=False, batch=2, dtype=torch.float32)
    matrix = torch.eye(2, 3) + 0.2 * torch.randn(2, 2, 3, generator=generator(3))
    scale = (size[1] / 2, size[0] / 2)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert_same("sample_grid", source, grid, scale, sampling("bilinear", "zeros"))
        assert_same("warp_matrix", source, matrix, (111, 163), sampling("bilinear", "zeros"))
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("channels", [3, 64])
def test_pixels_asked_for_ahead(channels):
    """Channels-last images of more than 8 MiB, where every sample asks for the pixels of a later one."""
    size = (36, 41)
    batch = 1 + (8 << 20) // (4 * channels * math.prod(size))
    source = image(size, channels=channels, batch=batch, dtype=torch.float32).to(memory_format=torch.channels_last)
    grid, scale = grid_arguments(size, batch=batch, dtype=torch.float32)
    for mode in ("zeros", "circular"):
        assert_same("sample_grid", source, grid, scale, sampling("bilinear", mode))


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.channels_last_3d])
def test_the_memory_format_is_kept(memory_format):
    size = (5, 6) if memory_format is torch.channels_last else (3, 5, 6)
    source = image(size).contiguous(memory_format=memory_format).requires_grad_()
    theta = unwarp.transforms.Affine(ndim=len(size)).identity()[None].expand(2, -1, -1)
    out = unwarp.warp(source, theta, unwarp.transforms.Affine(ndim=len(size)), backend="native")
    out.sum().backward()
    assert out.is_contiguous(memory_format=memory_format)
    assert source.grad.is_contiguous(memory_format=memory_format)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("channels", [1, 3, 17])
def test_half_precision_is_the_float32_result_rounded_once(channels, kernel, dtype):
    source = image((23, 19), channels=channels, dtype=dtype)
    grid, scale = grid_arguments((23, 19), batch=4, dtype=torch.float32)
    chosen = sampling(kernel, "reflection")
    out, grad_image, grad_grid = evaluate(NATIVE, "sample_grid", source, grid, scale, chosen)
    upstream = torch.randn(out.shape, generator=generator(7), dtype=torch.float64).to(dtype).float()
    wide, theta = source.float().requires_grad_(), grid.requires_grad_()
    expected = NATIVE.sample_grid(wide, theta, scale, chosen)
    image_gradient, theta_gradient = torch.autograd.grad(expected, (wide, theta), upstream)
    assert_matches(out, expected.detach().to(dtype), "rounded")
    assert_matches(grad_image, image_gradient.to(dtype), "rounded")
    assert_matches(grad_grid, theta_gradient, "backend")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("mode", MODES)
def test_the_identity_is_exact(mode, kernel, dtype):
    for n in (1, 7, 28, 63, 1023):
        source = image((n, 5), dtype=dtype, channels=2)
        for aligned in (False, True):
            theta = torch.eye(2, 3, dtype=torch.float64 if dtype == torch.float64 else torch.float32)[None]
            options = {"mode": kernel, "padding_mode": mode, "align_corners": aligned, "backend": "native"}
            assert torch.equal(unwarp.warp(source, theta, "affine", **options), source)


def views(source: Tensor) -> dict[str, Tensor]:
    """Ways to lay the same kind of tensor out: `source` is (4, 6, 10, 12)."""
    return {
        "sliced": source[1:3, ::2, 1::2, :-3],
        "transposed": source.transpose(-1, -2)[:2],
        "expanded batch": source[:1].expand(2, -1, -1, -1),
        "expanded channels": source[:2, :1].expand(-1, 3, -1, -1),
        "channels moved last": source[:2].permute(0, 2, 3, 1),
        "overlapping": source.flatten().as_strided((2, 3, 5, 6), (7, 5, 3, 1)),
        "every second image": source[::2],
        "sliced channels_last": source.contiguous(memory_format=torch.channels_last)[:2, :, 1:, ::2],
    }


@pytest.mark.parametrize("name", list(views(torch.zeros(4, 6, 10, 12))))
def test_any_strides(name):
    view = views(image((10, 12), batch=4, channels=6, dtype=torch.float64))[name]
    grid, scale = grid_arguments(tuple(view.shape[2:]), batch=2)
    strided = torch.stack([grid, grid], dim=-1)[..., 0]
    assert_same("sample_grid", view, strided, scale, sampling("bilinear", "zeros"))


@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    out=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    counts=st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 18)),
    kernel=st.sampled_from(KERNELS),
    mode=st.sampled_from(MODES),
    order=st.sampled_from([torch.contiguous_format, torch.channels_last]),
    size_of_theta=st.sampled_from([0.1, 1.0, 30.0]),
)
def test_any_shape(size, out, counts, kernel, mode, order, size_of_theta):
    images, warps, channels = counts
    source = image(size, batch=images, channels=channels, dtype=torch.float64).contiguous(memory_format=order)
    theta = torch.eye(2, 3, dtype=torch.float64)
    theta = theta + size_of_theta * torch.randn(images * warps, 2, 3, generator=generator(1), dtype=torch.float64)
    assert_same("warp_matrix", source, theta, out, sampling(kernel, mode, channels=channels))


@pytest.mark.parametrize("out", [(5,), (2, 3, 4), (2, 1, 3, 2)])
def test_any_number_of_output_axes(out):
    grid = off_lattice_grid((6, 7), out, align_corners=False)
    assert_same("sample_grid", image((6, 7), dtype=torch.float64), grid, (3.5, 3.0), sampling("bilinear", "zeros"))


def test_the_same_bits_every_time():
    source, grid = (
        image((33, 47), batch=1),
        off_lattice_grid((33, 47), (60, 61), align_corners=False, dtype=torch.float32),
    )
    first = evaluate(NATIVE, "sample_grid", source, grid, (23.5, 16.5), sampling("bilinear", "zeros"))
    for _ in range(5):
        again = evaluate(NATIVE, "sample_grid", source, grid, (23.5, 16.5), sampling("bilinear", "zeros"))
        assert all(torch.equal(a, b) for a, b in zip(again, first, strict=True))


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bands_of_one_image_are_its_gradient(dtype, channels_last):
    """One image on two threads: each owns half of the gradient's rows."""
    source = image((61, 64), batch=1, dtype=dtype, channels=3)
    source = source.contiguous(memory_format=torch.channels_last) if channels_last else source
    theta = torch.tensor([[[0.8, -0.6, 3.3], [0.6, 0.8, -2.2]]], dtype=dtype)
    arguments = ("warp_matrix", source, theta, (150, 160), sampling("bilinear", "zeros"))
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        whole = evaluate(NATIVE, *arguments)
        torch.set_num_threads(2)
        banded = evaluate(NATIVE, *arguments)
    finally:
        torch.set_num_threads(threads)
    for a, b in zip(banded, whole, strict=True):
        scale = b.abs().max()
        assert_matches(a / scale, b / scale, "backend")


class Softer(Linear):
    """A kernel that inherits the name of another."""

    def weights(self, fraction):
        smooth = fraction * fraction * (3 - 2 * fraction)
        return torch.stack([1 - smooth, smooth], dim=-1)


def test_a_subclass_of_a_kernel_is_not_taken_for_it():
    x = torch.tensor([[[[0.0, 1.0]]]])
    grid = torch.tensor([[[[-0.25, 0.0]]]])  # a quarter of the way from the first pixel to the second
    assert unwarp.sample(x, grid).item() == 0.25
    assert unwarp.sample(x, grid, mode=Softer()).item() == 0.25**2 * 2.5


def case(**changes) -> Case:
    given = {"op": "grid", "ndim": 2, "device": "cpu", "image_dtype": torch.float32, "point_dtype": torch.float32}
    return Case(**{**given, "sampling": sampling("bilinear", "zeros"), **changes})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"device": "cuda"}, "runs on the CPU"),
        ({"image_dtype": torch.uint8}, "torch.uint8"),
        ({"sampling": Sampling(resolve("nearest"), antialias=True)}, "anti-aliasing"),
        ({"sampling": Sampling(resolve("bilinear"), antialias=True), "ndim": 3}, "anti-aliasing"),
        ({"sampling": Sampling(Softer())}, "Softer"),
        ({"sampling": Sampling(resolve("lanczos3"))}, "lanczos3"),
        ({"sampling": Sampling(resolve("bilinear"), "fill", torch.ones(1, requires_grad=True))}, "fill_value"),
    ],
)
def test_refusals_name_the_reason(changes, reason):
    assert NATIVE.refuses(case()) is None
    assert reason in NATIVE.refuses(case(**changes))


def test_it_is_what_auto_takes_on_the_cpu():
    from unwarp.backends import choose

    assert choose(case(), "auto").name == "native"
    assert choose(case(sampling=Sampling(resolve("lanczos3"))), "auto").name != "native"
