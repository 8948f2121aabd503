"""The C++ ops as torch sees them: schema, tracing, derivatives of every order."""

import pytest
import torch
from torch.autograd import forward_ad

import unwarp
from support.generators import generator, image, off_lattice_grid
from support.native_cases import needs_native
from support.tolerances import assert_matches
from unwarp.backends import Sampling
from unwarp.backends.native import Native
from unwarp.backends.reference import Reference
from unwarp.kernels import Cubic, resolve

NATIVE, REFERENCE = Native(), Reference()
pytestmark = needs_native

SAMPLING = (1, 0.0, 0, None, False)
NAMES = ("sample_grid", "warp_matrix", "warp_basis")


def arguments(name: str, *, requires_grad: bool, channels_last: bool = False) -> tuple:
    """Arguments of an op, smallest sizes."""
    source = image((4, 5), dtype=torch.float64)
    source = source.contiguous(memory_format=torch.channels_last) if channels_last else source
    drawn = generator(2)
    if name == "sample_grid":
        theta, rest = off_lattice_grid((4, 5), (3, 6), align_corners=False), ([2.5, 2.0],)
    elif name == "warp_matrix":
        theta, rest = torch.eye(2, 3).double() + 0.1 * torch.randn(4, 2, 3, generator=drawn).double(), ([3, 6],)
    else:
        theta = torch.randn(2, 4, 2, generator=drawn, dtype=torch.float64)
        rest = (torch.randn(18, 4, generator=drawn, dtype=torch.float64), [1.0, 0.9], [3, 6])
    return (source.requires_grad_(requires_grad), theta.requires_grad_(requires_grad), *rest, *SAMPLING)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_opcheck_forward(name, channels_last):
    op = getattr(torch.ops.unwarp, name).default
    torch.library.opcheck(op, arguments(name, requires_grad=True, channels_last=channels_last))


@pytest.mark.parametrize("needed", [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("name", NAMES)
def test_opcheck_backward(name, needed):
    given = list(arguments(name, requires_grad=False))
    grad = torch.randn(given[1].shape[0], 3, 3, 6, generator=generator(5), dtype=torch.float64)
    if name != "sample_grid":
        del given[-6]  # the size is that of the gradient
    torch.library.opcheck(getattr(torch.ops.unwarp, f"{name}_backward").default, (grad, *given, *needed))


@pytest.mark.parametrize("kernel", [resolve("bilinear"), Cubic(-0.5)])
@pytest.mark.parametrize("name", ["sample_grid", "warp_matrix"])
def test_gradgradcheck(name, kernel):
    source, theta, rest, *_ = arguments(name, requires_grad=True)
    chosen = Sampling(kernel, "border")

    def call(source, theta):
        return getattr(NATIVE, name)(source[:, :1], theta, rest, chosen)

    assert torch.autograd.gradcheck(call, (source, theta))
    assert torch.autograd.gradgradcheck(call, (source, theta))


def test_a_gradient_penalty_equals_the_reference():
    """The second derivative of a loss that holds a gradient, mixed between image and theta."""
    found = []
    for backend in (NATIVE, REFERENCE):
        source, theta, size, *_ = arguments("warp_matrix", requires_grad=True)
        out = backend.warp_matrix(source, theta, size, Sampling(resolve("bilinear")))
        (slope,) = torch.autograd.grad((out**2).sum(), theta, create_graph=True)
        found.append(torch.autograd.grad((slope**2).sum(), (source, theta)))
    for a, b in zip(*found, strict=True):
        assert_matches(a / b.abs().max(), b / b.abs().max(), "backend")


# torch's own forward mode scripts its decompositions the first time.
@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")
def test_forward_mode_is_the_reference():
    source, theta, size, *_ = arguments("warp_matrix", requires_grad=False)
    theta = theta[:2]
    tangent = torch.ones_like(theta)
    with forward_ad.dual_level():
        out = unwarp.warp(source, forward_ad.make_dual(theta, tangent), "affine", size, backend="native")
        found = forward_ad.unpack_dual(out).tangent
    step = 1e-6
    upper, lower = (unwarp.warp(source, theta + s * tangent, "affine", size, backend="native") for s in (step, -step))
    assert_matches(found, (upper - lower) / (2 * step), "difference")


def test_vmap_and_grad_of_torch_func():
    source, theta, size, *_ = arguments("warp_matrix", requires_grad=False)

    def loss(theta):
        return unwarp.warp(source[:1], theta[None], "affine", size, backend="native").square().sum()

    each = torch.func.vmap(torch.func.grad(loss))(theta)
    for one, expected in zip(theta, each, strict=True):
        leaf = one.clone().requires_grad_()
        loss(leaf).backward()
        assert_matches(leaf.grad, expected, "backend")


@pytest.mark.parametrize("transform", ["affine", "thin_plate_spline"])
def test_compiles_to_one_graph(transform):
    torch.compiler.reset()
    family = unwarp.transforms.Affine() if transform == "affine" else unwarp.transforms.ThinPlateSpline()
    source = image((9, 11)).requires_grad_()
    theta = (family.identity()[None].expand(2, *family.theta_shape) * 0.93).contiguous().requires_grad_()

    def call(source, theta):
        return unwarp.warp(source, theta, family)

    compiled = torch.compile(call, fullgraph=True, backend="aot_eager")
    results = []
    for function in (call, compiled):
        out = function(source, theta)
        results.append((out.detach(), *torch.autograd.grad(out.square().sum(), (source, theta))))
    for a, b in zip(*results, strict=True):
        assert_matches(a / b.abs().max(), b / b.abs().max(), "backend")


def test_exports():
    class Warp(torch.nn.Module):
        def forward(self, source, theta):
            return unwarp.warp(source, theta, "affine", backend="native")

    source, theta = image((9, 11)), torch.eye(2, 3).repeat(2, 1, 1) * 0.9
    exported = torch.export.export(Warp(), (source, theta))
    modules = [module for module in exported.graph_module.modules() if isinstance(module, torch.fx.GraphModule)]
    assert any("unwarp.warp_matrix" in str(node.target) for module in modules for node in module.graph.nodes)
    assert torch.equal(exported.module()(source, theta), Warp()(source, theta))
