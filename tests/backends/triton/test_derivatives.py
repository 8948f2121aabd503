"""What the ops leave to the reference, and what torch has to know of them: higher derivatives, transforms, tracing."""

import pytest
import torch
from torch.autograd import forward_ad

import unwarp
from support import generators
from support.tolerances import assert_matches, assert_same
from unwarp import kernels
from unwarp.backends import Case, Sampling
from unwarp.backends.reference import Reference
from unwarp.backends.triton import Triton

TRITON = Triton()
LINEAR = Sampling(kernels.resolve("bilinear"))


@pytest.fixture
def image(device):
    return generators.image((3, 4), batch=1, channels=2).to(device)


@pytest.fixture
def theta(device):
    return generators.theta_near_identity_matrix(2).to(device)


def warp(backend, image, theta):
    return backend.warp_matrix(image, theta, (2, 3), LINEAR)


def test_second_derivatives(image, theta):
    def penalty(backend):
        leaves = image.clone().requires_grad_(), theta.clone().requires_grad_()
        first = torch.autograd.grad(warp(backend, *leaves).square().sum(), leaves, create_graph=True)
        return torch.autograd.grad(sum(part.square().sum() for part in first), leaves)

    for actual, expected in zip(penalty(TRITON), penalty(Reference()), strict=True):
        assert_matches(actual, expected, "backend")


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own forward mode uses it
def test_forward_mode(image, theta):
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(theta, torch.ones_like(theta))
        tangents = [forward_ad.unpack_dual(warp(backend, image, dual)).tangent for backend in (TRITON, Reference())]
    assert_matches(*tangents, "backend")


def test_vmap(image, theta):
    mapped = torch.func.vmap(lambda one: warp(TRITON, image, one[None]))(theta)
    assert_matches(mapped[:, 0], warp(Reference(), image, theta), "backend")


def test_a_learned_basis_has_a_gradient(image, device):
    basis = torch.randn(6, 2).to(device).requires_grad_()
    coefficients = torch.randn(1, 2, 2).to(device)
    results = [
        torch.autograd.grad(b.warp_basis(image, coefficients, basis, (1.0, 1.0), (2, 3), LINEAR).sum(), basis)[0]
        for b in (TRITON, Reference())
    ]
    assert_matches(*results, "backend")


def test_a_learned_fill_value_is_refused(image, device):
    fill = torch.zeros(2, device=device, requires_grad=True)
    how = Sampling(kernels.resolve("bilinear"), "fill", fill)
    assert "fill_value" in TRITON.refuses(Case("matrix", 2, device, torch.float32, torch.float32, how))


@pytest.mark.parametrize("needed", [(True, False), (False, True), (False, False)])
def test_only_what_needs_a_gradient_gets_one(needed, image, theta):
    leaves = image.clone().requires_grad_(needed[0]), theta.clone().requires_grad_(needed[1])
    result = warp(TRITON, *leaves)
    assert result.requires_grad == any(needed)
    if any(needed):
        result.sum().backward()
    assert tuple(leaf.grad is not None for leaf in leaves) == needed


@pytest.mark.parametrize("padding", [0, 1], ids=["zeros", "border"])
def test_torch_holds_schema_and_shapes_for_true(padding, image, theta):
    arguments = (image, theta, [2, 3], 1, 0.0, padding, None, False)
    checks = ("test_schema", "test_faketensor", "test_autograd_registration")
    torch.library.opcheck(torch.ops.unwarp_triton.warp_matrix.default, arguments, test_utils=checks)
    given = warp(TRITON, image, theta)
    backward = (given, image, theta, *arguments[3:], True, True)
    torch.library.opcheck(torch.ops.unwarp_triton.warp_matrix_backward.default, backward, test_utils=checks)


def test_one_graph(image, theta):
    def loss(image, theta):
        return unwarp.warp(image, theta, "affine", (2, 3), backend="triton").square().sum()

    results = []
    for function in (loss, torch.compile(loss, backend="aot_eager", fullgraph=True)):
        leaf = theta.clone().requires_grad_()
        function(image.expand(2, -1, -1, -1), leaf).backward()
        results.append(leaf.grad)
    torch.compiler.reset()
    assert_matches(results[1], results[0], "backend")


def test_by_name_through_warp(image, device):
    theta = torch.eye(2, 3, device=device)[None]
    assert_same(unwarp.warp(image, theta, "affine", backend="triton"), image)
    with pytest.raises(unwarp.BackendError, match="lanczos3"):
        unwarp.warp(image, theta, "affine", mode="lanczos3", backend="triton")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_under_autocast_a_half_image_and_float32_theta_match_float32(dtype, image, theta, device):
    """Rounded once, to the image's dtype: coordinates and sums stay in float32."""
    rounded = image.to(dtype)
    upstream = generators.image((3, 4), batch=2, channels=2, seed=3).to(device, dtype)
    results = []
    for backend, given in (("triton", rounded), ("reference", rounded.float())):
        leaves = given.clone().requires_grad_(), theta.clone().requires_grad_()
        with torch.autocast(device, dtype=dtype):
            result = unwarp.warp(*leaves, "affine", backend=backend)
        results.append((result.detach(), *torch.autograd.grad(result, leaves, upstream.to(result.dtype))))
    (values, to_image, to_theta), expected = results
    assert (values.dtype, to_image.dtype, to_theta.dtype) == (dtype, dtype, torch.float32)
    assert_matches(values, expected[0].to(dtype), "rounded")
    assert_matches(to_image, expected[1].to(dtype), "rounded", what="image gradient")
    assert_matches(to_theta, expected[2], "backend", what="theta gradient")
