"""Anti-aliased sampling: against its equation, term by term, and the promises made for it."""

import itertools
import math

import pytest
import torch

import unwarp
from support.generators import generator, image, off_lattice_grid
from support.tolerances import assert_matches, assert_same
from unwarp import kernels, padding

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own forward mode uses it

SHRINK = {
    1: torch.tensor([[[0.9, 0.07]], [[-1.3, 0.2]]]),
    2: torch.tensor([[[0.8, 0.3, 0.1], [-0.4, 1.1, -0.2]], [[1.6, 0.9, 0.0], [0.1, 0.3, 0.3]]]),
    3: torch.tensor([[[0.9, 0.2, 0.1, 0.05], [-0.3, 0.8, 0.2, -0.1], [0.1, 0.2, 1.1, 0.0]]]).repeat(2, 1, 1),
}


def by_loops(x, theta, size, kernel, mode):
    """V[p] = sum U[q] k(S^-1 (x - q)) / sum k(S^-1 (x - q)), over every pixel within the largest reach."""
    ndim, sizes = x.ndim - 2, x.shape[2:]
    matrix = unwarp.coordinates.pixel_matrix(
        unwarp.transforms.Affine(ndim).matrix(theta), sizes, size, align_corners=False
    )[0]
    left, sigma, _ = torch.linalg.svd(matrix[:ndim, :ndim])
    unstretched = torch.linalg.inv(left @ torch.diag(sigma.clamp_min(1)) @ left.mT)
    reach = math.ceil(kernel.support * sigma.max().clamp_min(1).item() * math.sqrt(ndim)) + 1
    out = torch.zeros(x.shape[1], *size, dtype=x.dtype)
    for index in itertools.product(*map(range, size)):
        p = torch.tensor([i - (n - 1) / 2 for i, n in zip(index, size, strict=True)][::-1], dtype=x.dtype)
        position = matrix[:ndim, :ndim] @ p + matrix[:ndim, ndim]
        position = position + torch.tensor([(n - 1) / 2 for n in reversed(sizes)], dtype=x.dtype)
        axes = [torch.arange(math.floor(c) - reach, math.floor(c) + reach + 2) for c in position.tolist()]
        pixels = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
        weights = kernel((position - pixels) @ unstretched.mT).prod(-1)
        mapped = [
            padding.map_index(pixels[..., i], n, mode, align_corners=False) for i, n in enumerate(reversed(sizes))
        ]
        values = x[0][(slice(None), *mapped[::-1])]
        if mode == "zeros":
            for axis, n in enumerate(reversed(sizes)):
                values = values * padding.inside_taps(pixels[..., axis], n)
        out[(slice(None), *index)] = (values * weights).flatten(1).sum(1) / weights.sum()
    return out


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection", "circular"])
@pytest.mark.parametrize("kernel", ["bilinear", "bicubic", "lanczos2"])
def test_is_its_equation(kernel, padding, ndim):
    if ndim == 3 and kernel == "lanczos2":
        kernel = "bilinear"
    size, out = {1: ((23,), (4,)), 2: ((15, 13), (3, 4)), 3: ((7, 6, 8), (2, 3, 2))}[ndim]
    x = image(size, batch=1, channels=2, dtype=torch.float64)
    theta = SHRINK[ndim][:1].double()
    expected = by_loops(x, theta, out, kernels.resolve(kernel), padding)
    for antialias in (True, 12.0):
        sampled = unwarp.warp(x, theta, "affine", out, mode=kernel, padding_mode=padding, antialias=antialias)
        assert_matches(sampled[0], expected, "oracle")


@pytest.mark.parametrize("antialias", [True, 4.0])
@pytest.mark.parametrize("kernel", ["nearest", "bilinear", "bicubic", "lanczos3"])
@pytest.mark.parametrize("padding", padding.MODES)
@pytest.mark.parametrize("family", ["affine", "projective", "thin_plate_spline", "b_spline", "flow"])
def test_the_identity_stays_exact(family, padding, kernel, antialias):
    if family == "flow":
        transform = unwarp.transforms.resolve("flow", 2)
        theta = transform.identity()[None]
    else:
        transform = unwarp.transforms.resolve(family, 2)
        theta = transform.identity()[None]
    x = image((9, 11), batch=1)
    assert_same(unwarp.warp(x, theta, transform, mode=kernel, padding_mode=padding, antialias=antialias), x)


def test_a_rotation_and_an_enlargement_are_plain_sampling():
    x = image((20, 20), dtype=torch.float64)
    turn = torch.tensor([[[0.6, -0.8, 0], [0.8, 0.6, 0]]], dtype=torch.float64)
    for theta in (turn, 0.5 * turn):
        plain = unwarp.warp(x, theta, "affine", mode="bicubic")
        assert_matches(unwarp.warp(x, theta, "affine", mode="bicubic", antialias=True), plain, "clustered")


@pytest.mark.parametrize("family", ["affine", "projective", "thin_plate_spline"])
def test_families_agree_on_a_map_they_share(family):
    """Analytic Jacobians, differences of the transform, and those of a grid."""
    transform = unwarp.transforms.resolve(family, 2)
    affine = SHRINK[2].double()
    theta = {
        "affine": affine,
        "projective": torch.cat([affine.flatten(1), torch.zeros(2, 2, dtype=torch.float64)], dim=1),
        "thin_plate_spline": unwarp.transforms.Affine()(
            affine, unwarp.transforms.ThinPlateSpline().identity(dtype=torch.float64)
        ),
    }[family]
    x = image((21, 17), dtype=torch.float64)
    grid = unwarp.transforms.Affine()(affine, unwarp.make_grid((6, 5), dtype=torch.float64))
    sampled = unwarp.sample(x, grid, antialias=True)
    assert_matches(unwarp.warp(x, theta, transform, (6, 5), antialias=True), sampled, "float32 spline")


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("kernel", ["bilinear", "bicubic", "bspline3"])
def test_gradients(kernel, ndim):
    size, out = {1: ((19,), (4,)), 2: ((11, 10), (3, 2)), 3: ((5, 6, 4), (2, 1, 2))}[ndim]
    x = image(size, batch=1, channels=1, dtype=torch.float64).requires_grad_()
    theta = (SHRINK[ndim][:1].double() * 1.0137).requires_grad_()  # off the kinks of the linear kernel

    def warp(x, theta):
        return unwarp.warp(x, theta, "affine", out, mode=kernel, padding_mode="border", antialias=True)

    torch.autograd.gradcheck(warp, (x, theta), fast_mode=True, check_forward_ad=True)
    if kernel != "bspline3":
        torch.autograd.gradgradcheck(warp, (x, theta), fast_mode=True)


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_gradient_where_all_singular_values_are_equal(ndim):
    """Where every pure scaling starts."""
    x = image((9, 8, 7)[:ndim], batch=1, channels=1, dtype=torch.float64)
    theta = torch.eye(ndim, ndim + 1, dtype=torch.float64)[None] * 1.13 + 0.011
    theta[:, :, :ndim] = torch.eye(ndim) * 1.13
    theta.requires_grad_()
    torch.autograd.gradcheck(
        lambda t: unwarp.warp(x, t, "affine", 3, mode="bicubic", padding_mode="border", antialias=True), theta
    )


def test_the_gradient_of_a_grid():
    x = image((12, 13), batch=1, channels=1, dtype=torch.float64).requires_grad_()
    grid = off_lattice_grid((12, 13), (3, 3), align_corners=False, batch=1, reach=0).requires_grad_()
    torch.autograd.gradcheck(
        lambda x, g: unwarp.sample(x, g, mode="bicubic", antialias=True), (x, grid), fast_mode=True
    )


def test_batches_of_windows_of_many_sizes_and_chunks(monkeypatch):
    """A perspective: some samples read one pixel, others hundreds; in chunks, recomputed in the backward pass."""
    theta = torch.tensor([[1.0, 0.2, 0.0, 0.1, 1.2, 0.1, 0.5, 0.4]], requires_grad=True)
    x = image((40, 40), batch=1).requires_grad_()
    results = []
    for budget in (2**30, 500):
        monkeypatch.setattr("unwarp.backends.antialias._BUDGET", budget)
        warped = unwarp.warp(x, theta, "projective", (20, 20), padding_mode="reflection", antialias=True)
        results.append((warped, *torch.autograd.grad(warped.square().sum(), (x, theta))))
    for whole, chunked in zip(*results, strict=True):
        assert_matches(chunked / chunked.abs().max(), whole / whole.abs().max(), "backend")


def test_k_warps_of_each_image_and_channels():
    x = image((16, 12), batch=2, channels=3)
    theta = SHRINK[2][:, None] + 0.1 * torch.randn(2, 3, 2, 3, generator=generator())
    together = unwarp.warp(x, theta, "affine", (4, 4), antialias=True)
    for n in range(2):
        for k in range(3):
            alone = unwarp.warp(x[n : n + 1], theta[n, k][None], "affine", (4, 4), antialias=True)
            assert_matches(together[n, k], alone[0], "rearranged")


def test_a_number_limits_the_stretch():
    x = image((64, 64), batch=1)
    theta = torch.eye(2, 3)[None]
    enough = unwarp.warp(x, theta, "affine", (8, 8), antialias=8.0)
    assert_matches(enough, unwarp.warp(x, theta, "affine", (8, 8), antialias=True), "rearranged")
    limited = unwarp.warp(x, theta, "affine", (8, 8), antialias=2.0)
    assert limited.var() > 2 * enough.var()  # white noise: the narrower kernel averages less of it away


def test_vmap_and_compile_take_a_number():
    x, theta = image((16, 12), batch=1), SHRINK[2]
    expected = unwarp.warp(x, theta, "affine", (4, 4), antialias=6.0)

    def warp(theta):
        return unwarp.warp(x, theta[None], "affine", (4, 4), antialias=6.0)[0]

    assert_matches(torch.func.vmap(warp)(theta), expected, "rearranged")
    assert_matches(torch.func.jacfwd(warp)(theta[0]), torch.func.jacrev(warp)(theta[0]), "backend")
    torch.compiler.reset()
    compiled = torch.compile(
        lambda t: unwarp.warp(x, t, "affine", (4, 4), antialias=6.0), fullgraph=True, backend="aot_eager"
    )
    assert_matches(compiled(theta), expected, "rearranged")


def test_vmap_with_true_says_what_to_do():
    x = image((16, 12), batch=1)
    with pytest.raises(unwarp.errors.UnsupportedError, match="for example antialias=8.0"):
        torch.func.vmap(lambda t: unwarp.warp(x, t[None], "affine", (4, 4), antialias=True))(SHRINK[2])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e30, 1e6, -1e4])
@pytest.mark.parametrize("padding", padding.MODES)
def test_any_theta_is_survived(padding, value):
    """Never a crash, never a lost gradient of the image; a stretch of the whole image is its average."""
    x = image((8, 9), batch=1, channels=1).requires_grad_()
    theta = torch.eye(2, 3)[None].clone()
    theta[0, 0, 0] = value
    theta.requires_grad_()
    warped = unwarp.warp(x, theta, "affine", (3, 3), padding_mode=padding, antialias=True)
    warped.sum().backward()
    assert x.grad.isfinite().all()
    if math.isnan(value):
        assert warped.isnan().all()
        assert theta.grad.isnan().any()
    elif padding in ("zeros", "border", "fill") and math.isfinite(value):
        assert warped.isfinite().all()
        assert theta.grad.isfinite().all()


def test_nearest_becomes_the_average_of_an_area():
    x = image((12, 12), dtype=torch.float64)
    theta = torch.eye(2, 3, dtype=torch.float64)[None]
    averaged = unwarp.warp(x, theta, "affine", (3, 3), mode="nearest", antialias=True)
    assert_matches(averaged, torch.nn.functional.avg_pool2d(x, 4), "oracle")


class Thin(kernels.Nearest):
    """Boxes with gaps between them."""

    name, support = "thin", 0.4


def test_a_sample_that_no_weight_reaches_takes_the_nearest_pixel():
    x = torch.full((1, 1, 12, 12), 2.0)
    theta = torch.tensor([[[1.1, 0.1, 0.013], [0.1, 1.1, 0.017]]])
    shrunk = unwarp.warp(x, theta, "affine", (12, 12), mode=Thin(), padding_mode="border", antialias=True)
    assert_matches(shrunk, x, "rearranged")


@pytest.mark.parametrize("kernel", ["bilinear", "bicubic", "lanczos3"])
def test_the_gradient_on_the_lattice_lies_between_the_one_sided_differences(kernel):
    """Every third pixel is sampled in its centre: the linear kernel has kinks at all multiples of 3 from there."""
    x = image((27,), batch=1, channels=1, dtype=torch.float64)
    step = 1e-6

    def warp(shift):
        theta = torch.cat([torch.ones(1, 1, dtype=torch.float64), shift.view(1, 1)], 1)[None]
        return unwarp.warp(x, theta, "affine", 9, mode=kernel, antialias=True)[0, 0]

    zero, by = torch.zeros((), dtype=torch.float64), torch.tensor(step, dtype=torch.float64)
    slope = torch.func.jacrev(warp)(zero)
    left, right = (warp(zero) - warp(-by)) / step, (warp(by) - warp(zero)) / step
    assert kernel != "bilinear" or (left - right).abs().max() > 0.1
    slack = 1e-3  # second derivatives of 1e2 times the step
    assert (slope >= torch.minimum(left, right) - slack).all()
    assert (slope <= torch.maximum(left, right) + slack).all()


def test_noise_is_averaged_away():
    """What plain sampling of white noise keeps, and its average over 16 x 16 pixels does not."""
    noise = torch.randn(1, 1, 256, 256, generator=generator())
    turn = torch.tensor([[[0.8, -0.6, 0.0], [0.6, 0.8, 0.0]]]) * 0.7
    plain = unwarp.warp(noise, turn, "affine", (11, 11))
    shrunk = unwarp.warp(noise, turn, "affine", (11, 11), antialias=True)
    assert plain.var() > 0.2
    assert shrunk.var() < 0.004  # two triangles 16 pixels wide: (2 / 3 / 16)^2 = 0.0017


@pytest.mark.parametrize("antialias", [0.5, 0, "yes", float("nan")])
def test_refuses_what_is_no_limit(antialias):
    with pytest.raises(unwarp.OptionError, match="antialias: expected True, False, or the largest shrink"):
        unwarp.warp(torch.zeros(1, 1, 4, 4), torch.eye(2, 3)[None], "affine", antialias=antialias)


def test_refuses_integer_images_and_lists_of_points():
    with pytest.raises(unwarp.DtypeError, match="blends pixels"):
        unwarp.sample(
            torch.zeros(1, 1, 4, 4, dtype=torch.uint8), torch.zeros(1, 2, 2, 2), mode="nearest", antialias=True
        )
    with pytest.raises(unwarp.ShapeError, match="with 2 output axes"):
        unwarp.sample(torch.zeros(1, 1, 4, 4), torch.zeros(1, 2, 2), antialias=True)


def test_other_backends_refuse():
    with pytest.raises(unwarp.BackendError, match="anti-aliasing"):
        unwarp.warp(torch.zeros(1, 1, 4, 4), torch.eye(2, 3)[None], "affine", antialias=True, backend="aten")
