"""Derivatives through `warp` on every backend: second order, forward mode, vmap, compile, export, autocast.

Families and kernels have theirs in tests/transforms and tests/kernels; here are the families of matrices and bases on
every backend, and what comes of backends that are differentiated in ways of their own.
"""

import pytest
import torch
from torch import Tensor, nn

import unwarp
from support.active_backends import every_backend, exact_backends
from support.families import small
from support.generators import image, off_lattice_grid, theta_near_identity
from support.tolerances import assert_matches, assert_same
from unwarp import sample, warp

# Torch's own forward mode compiles a few formulas by the deprecated torch.jit.script.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")

FAMILIES = ("translation", "attention", "rigid", "similarity", "affine", "projective", "thin_plate_spline")
every_family = pytest.mark.parametrize("family", FAMILIES)
backends_of_every_order = pytest.mark.parametrize("backend", ["reference", "auto"])
SIZE, OUT = (5, 4), (3, 4)


def inputs(family: str, *, batch: int = 2, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    transform = small(family, 2)
    theta = theta_near_identity(transform, batch=batch, spread=0.15, dtype=dtype)
    return image(SIZE, batch=batch, channels=1, dtype=dtype), theta


def warping(family: str, backend: str, **options):
    return lambda source, theta: warp(source, theta, small(family, 2), OUT, backend=backend, **options)


@every_backend
@every_family
def test_first_order(family, backend):
    source, theta = (leaf.requires_grad_() for leaf in inputs(family))
    assert torch.autograd.gradcheck(warping(family, backend), (source, theta), fast_mode=True)


@backends_of_every_order
@every_family
def test_second_order(family, backend):
    source, theta = (leaf.requires_grad_() for leaf in inputs(family, batch=1))
    assert torch.autograd.gradgradcheck(warping(family, backend), (source, theta), fast_mode=True)


@backends_of_every_order
@every_family
def test_forward_mode(family, backend):
    source, theta = inputs(family)
    directions = torch.randn_like(source), torch.randn_like(theta)
    function = warping(family, backend)
    _, forward = torch.func.jvp(function, (source, theta), directions)
    step = 1e-6
    ahead = function(source + step * directions[0], theta + step * directions[1])
    behind = function(source - step * directions[0], theta - step * directions[1])
    assert_matches(forward, (ahead - behind) / (2 * step), "difference")


@backends_of_every_order
def test_forward_mode_of_samples_by_dual_numbers(backend):
    source, grid = image(SIZE, dtype=torch.float64), off_lattice_grid(SIZE, OUT, align_corners=False, reach=0.2)
    direction = torch.randn_like(grid)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(grid, direction)
        forward = torch.autograd.forward_ad.unpack_dual(sample(source, dual, backend=backend)).tangent
    grid.requires_grad_()
    sampled = sample(source, grid, backend=backend)
    weights = torch.randn_like(sampled)
    (slope,) = torch.autograd.grad(sampled, grid, weights)
    assert_matches((forward * weights).sum(), (slope * direction).sum(), "oracle")


@backends_of_every_order
@every_family
def test_jacobians_and_hessians(family, backend):
    source, theta = inputs(family, batch=1)

    def function(theta):
        return warping(family, backend)(source, theta)

    by_reverse, by_forward = torch.func.jacrev(function)(theta), torch.func.jacfwd(function)(theta)
    assert by_reverse.shape == (1, 1, *OUT, *theta.shape)
    assert_matches(by_reverse, by_forward, "oracle")
    assert_matches(by_reverse, torch.autograd.functional.jacobian(function, theta), "oracle")
    hessian = torch.func.hessian(lambda theta: function(theta).square().sum())(theta)
    expected = torch.autograd.functional.hessian(lambda theta: function(theta).square().sum(), theta)
    assert_matches(hessian, expected, "oracle")


@backends_of_every_order
@every_family
def test_vmap(family, backend):
    source, theta = inputs(family, batch=3)
    function = warping(family, backend)
    one = torch.func.vmap(lambda source, theta: function(source[None], theta[None])[0])
    assert_matches(one(source, theta), function(source, theta), "oracle")
    each = torch.func.vmap(torch.func.grad(lambda theta, source: function(source[None], theta[None]).sum()))
    theta.requires_grad_()
    (expected,) = torch.autograd.grad(function(source, theta).sum(), theta)
    assert_matches(each(theta.detach(), source), expected, "oracle")


def test_what_functorch_has_seen_is_a_plain_transform_afterwards():
    """The basis of a spline is kept: one made inside of a `torch.func` transform must not be bound to it."""
    transform = unwarp.transforms.ThinPlateSpline()
    source, theta = image(SIZE), theta_near_identity(transform, dtype=torch.float32)
    torch.func.jacrev(lambda theta: warp(source, theta, transform))(theta)
    torch.func.vmap(lambda theta: warp(source[:1], theta[None], transform))(theta)
    leaf = theta.clone().requires_grad_()
    warp(source, leaf, transform).sum().backward()
    fresh = unwarp.transforms.ThinPlateSpline()
    assert_same(warp(source, theta, transform), warp(source, theta, fresh))
    assert leaf.grad.isfinite().all()


class _Warp(nn.Module):
    def __init__(self, family: str, backend: str) -> None:
        super().__init__()
        self.transform, self.backend = unwarp.transforms.create(family, 2), backend

    def forward(self, source: Tensor, theta: Tensor) -> Tensor:
        return warp(source, theta, self.transform, backend=self.backend)


@pytest.mark.parametrize(
    ("family", "backend"), [("projective", "reference"), ("projective", "auto"), ("thin_plate_spline", "auto")]
)
def test_a_compiled_graph_has_the_same_values_and_gradients(family, backend):
    module = _Warp(family, backend)
    source = image((6, 5), dtype=torch.float64)
    theta = theta_near_identity(module.transform)
    torch.compiler.reset()
    found = []
    for function in (module, torch.compile(module, fullgraph=True, backend="aot_eager")):
        leaves = source.clone().requires_grad_(), theta.clone().requires_grad_()
        warped = function(*leaves)
        found.append((warped.detach(), *torch.autograd.grad(warped.square().sum(), leaves)))
    for what, eager, compiled in zip(("values", "image gradient", "theta gradient"), *found, strict=True):
        assert_matches(compiled, eager, "oracle", what=what)


@pytest.mark.parametrize("strict", [False, True])
def test_an_exported_graph_takes_any_batch_and_size(strict):
    module = _Warp("affine", "auto")
    batch, height = torch.export.Dim("batch"), torch.export.Dim("height")
    source, theta = image((6, 5)), theta_near_identity(module.transform, dtype=torch.float32)
    shapes = ({0: batch, 2: height}, {0: batch})
    program = torch.export.export(module, (source, theta), dynamic_shapes=shapes, strict=strict)
    for size, images in (((6, 5), 2), ((11, 5), 7), ((3, 5), 1)):
        source = image(size, batch=images)
        theta = theta_near_identity(module.transform, batch=images, dtype=torch.float32)
        assert_matches(program.module()(source, theta), module(source, theta), "backend")


@exact_backends
@every_family
def test_autocast_does_not_round_positions_nor_their_gradients(family, backend):
    source, theta = inputs(family, dtype=torch.float32)
    found = []
    for enabled in (False, True):
        leaves = source.clone().requires_grad_(), theta.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            warped = warping(family, backend)(*leaves)
        assert warped.dtype == torch.float32
        found.append((warped.detach(), *torch.autograd.grad(warped.sum(), leaves)))
    for what, plain, cast in zip(("values", "image gradient", "theta gradient"), *found, strict=True):
        assert_same(cast, plain, what=what)


@exact_backends
@pytest.mark.parametrize("family", ["affine", "projective"])
def test_a_bfloat16_theta_has_a_bfloat16_gradient_of_what_it_says(family, backend):
    source, theta = inputs(family, dtype=torch.float32)
    half = theta.bfloat16().requires_grad_()
    full = half.detach().float().requires_grad_()
    assert_same(warping(family, backend)(source, half), warping(family, backend)(source, full))
    (rounded,) = torch.autograd.grad(warping(family, backend)(source, half).sum(), half)
    (exact,) = torch.autograd.grad(warping(family, backend)(source, full).sum(), full)
    assert_matches(rounded, exact.bfloat16(), "rounded")


@backends_of_every_order
@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("family", [*FAMILIES, "flow", "diffeomorphic"])
def test_recorded_backward_passes_where_the_image_decides_on_theta(family, antialias, backend):
    """As behind a localiser: the way through theta is not the sampler's, which must not count it as well."""
    source, start = inputs(family, batch=1)

    def loss(source: Tensor) -> Tensor:
        theta = start + 0.1 * source.square().mean((1, 2, 3)).view(-1, *(1,) * (start.ndim - 1))
        return warping(family, backend, antialias=antialias)(source, theta).square().sum()

    source.requires_grad_()
    (plain,) = torch.autograd.grad(loss(source), source)
    (recorded,) = torch.autograd.grad(loss(source), source, create_graph=True)
    assert_matches(recorded, plain, "oracle")
    direction = image(SIZE, batch=1, channels=1, dtype=torch.float64, seed=5)
    (product,) = torch.autograd.grad((recorded * direction).sum(), source)
    step, found = 1e-5, []
    for sign in (1, -1):
        moved = (source + sign * step * direction).detach().requires_grad_()
        found.append(torch.autograd.grad(loss(moved), moved)[0])
    difference = (found[0] - found[1]) / (2 * step)
    assert (product - difference).abs().max() < 1e-4 * difference.abs().max()


@backends_of_every_order
@pytest.mark.parametrize("family", ["projective", "thin_plate_spline"])
def test_recorded_backward_passes_where_nothing_shrinks(family, backend):
    source, theta = image(SIZE, batch=1, dtype=torch.float64), small(family, 2).identity(dtype=torch.float64)[None]
    theta.requires_grad_()
    warped = warp(source, theta, small(family, 2), antialias=True, backend=backend)
    (plain,) = torch.autograd.grad(warped.square().sum(), theta, retain_graph=True)
    (recorded,) = torch.autograd.grad(warped.square().sum(), theta, create_graph=True)
    assert recorded.abs().max() > 0.1
    assert_matches(recorded, plain, "oracle")
