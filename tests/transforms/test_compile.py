"""One graph, no break: torch.compile and torch.export for every family."""

import copy

import pytest
import torch
from torch import nn
from torch.autograd import forward_ad

import unwarp
from support.families import FAMILIES, small
from support.generators import image, theta_near_identity
from support.tolerances import assert_matches, assert_same
from unwarp.transforms import TRANSFORMS, Affine, Diffeomorphic, StationaryVelocity, ThinPlateSpline

ROUTES = [family for family in FAMILIES if family not in ("translation", "attention", "rigid", "affine")]
"""The four are matrices without a line of code that the others do not have."""


class Warp(nn.Module):
    def __init__(self, transform):
        super().__init__()
        self.transform = transform

    def forward(self, source, theta):
        return unwarp.warp(source, theta, self.transform, backend="reference")


@pytest.fixture(autouse=True)
def _fresh_compiler():
    torch.compiler.reset()


def case(family):
    # The other stages and squarings repeat the same graph.
    short = {"diffeomorphic": Diffeomorphic((1, 1), stages=2), "stationary_velocity": StationaryVelocity(squarings=1)}
    module = Warp(short[family].double() if family in short else small(family, 2))
    theta = theta_near_identity(module.transform, spread=0.1)
    return module, image((5, 4), dtype=torch.float64), theta


@pytest.mark.parametrize("family", ROUTES)
def test_compiles_to_one_graph(family):
    module, source, theta = case(family)
    theta.requires_grad_()
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    warped, expected = compiled(source, theta), module(source, theta)
    assert_matches(warped, expected, "rearranged")
    weights = torch.rand_like(expected)
    (actual,) = torch.autograd.grad((warped * weights).sum(), theta)
    (wanted,) = torch.autograd.grad((expected * weights).sum(), theta)
    assert_matches(actual, wanted, "oracle")


@pytest.mark.parametrize("family", ["projective", "thin_plate_spline", "diffeomorphic", "flow", "compose", "bounded"])
def test_exports(family):
    module, source, theta = case(family)
    program = torch.export.export(module, (source, theta))
    assert_matches(program.module()(source, theta), module(source, theta), "rearranged")


@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated")  # inductor's own imports
@pytest.mark.parametrize("family", ["thin_plate_spline"])
def test_inductor_compiles(family):
    module, source, theta = case(family)
    compiled = torch.compile(module, fullgraph=True)
    assert_matches(compiled(source, theta), module(source, theta), "oracle")


@pytest.fixture
def _no_name_met_yet(monkeypatch):
    monkeypatch.setitem(unwarp.transforms.resolve.__globals__, "_shared", {})


class WarpByName(nn.Module):
    def __init__(self, family):
        super().__init__()
        self.family = family

    def forward(self, source, theta):
        return unwarp.warp(source, theta, self.family, backend="reference")


@pytest.mark.usefixtures("_no_name_met_yet")
@pytest.mark.parametrize("family", ["thin_plate_spline", "learned_basis"])
@pytest.mark.parametrize("how", ["compile", "export", "inference"])
def test_a_name_first_met_in_a_special_mode_makes_a_lasting_transform(family, how):
    transform = unwarp.transforms.TRANSFORMS[family](ndim=2)
    source, theta = image((5, 4)), theta_near_identity(transform, dtype=torch.float32)
    module, expected = WarpByName(family), unwarp.warp(source, theta, transform, backend="reference")
    if how == "compile":
        assert_matches(
            torch.compile(module, fullgraph=True, backend="aot_eager")(source, theta), expected, "rearranged"
        )
    elif how == "export":
        assert_matches(torch.export.export(module, (source, theta)).module()(source, theta), expected, "rearranged")
    else:
        with torch.inference_mode():
            module(source, theta)
    theta.requires_grad_()
    again = module(source, theta)
    assert_matches(again, expected, "rearranged")
    again.sum().backward()
    assert theta.grad.isfinite().all()


def graph_of(function, *inputs):
    """The operations of the one graph that a function becomes, and what the graph gives."""
    graphs = []

    def keep(graph, _):
        graphs.append(graph)
        return graph.forward

    given = torch.compile(function, backend=keep, fullgraph=True)(*inputs)
    (graph,) = graphs
    return [str(node.target) for node in graph.graph.nodes], given


@pytest.mark.parametrize("family", ["thin_plate_spline", "b_spline", "piecewise_affine"])
def test_the_basis_of_a_spline_is_a_constant_of_the_graph(family):
    transform = TRANSFORMS[family]()
    source, theta = image((9, 9)), theta_near_identity(transform, dtype=torch.float32)
    targets, given = graph_of(lambda source, theta: unwarp.warp(source, theta, transform), source, theta)
    assert_same(given, unwarp.warp(source, theta, transform))
    assert not {"log", "argsort", "sort", "scatter_add", "clamp_min"} & set(targets)


@pytest.mark.parametrize("dynamic", [None, True])
def test_a_graph_for_any_size_is_right_for_each(dynamic):
    transform = ThinPlateSpline((3, 3))
    theta = theta_near_identity(transform, dtype=torch.float32)
    compiled = torch.compile(
        lambda source: unwarp.warp(source, theta, transform), backend="eager", fullgraph=True, dynamic=dynamic
    )
    for size in (5, 8, 11):
        assert_matches(compiled(image((size, 7))), unwarp.warp(image((size, 7)), theta, transform), "rearranged")


def test_a_graph_follows_new_control_points_and_knows_whose_it_is():
    first, second = ThinPlateSpline((3, 3)), ThinPlateSpline((3, 3))
    second.control += 0.05 * torch.randn(9, 2, generator=torch.Generator().manual_seed(0))
    second.control_changed()
    source, theta = image((6, 6)), theta_near_identity(first, dtype=torch.float32)
    compiled = torch.compile(lambda one: unwarp.warp(source, theta, one), backend="eager", fullgraph=True)
    before, other = compiled(first), compiled(second)
    assert_same(before, unwarp.warp(source, theta, first))
    assert_same(other, unwarp.warp(source, theta, second))
    assert (before - other).abs().max() > 1e-3
    assert_same(compiled(copy.deepcopy(second)), other)
    first.load_state_dict(second.state_dict())
    assert_same(compiled(first), other)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own import for forward mode
@pytest.mark.parametrize(
    ("family", "how"),
    [("affine", "jvp"), ("thin_plate_spline", "grad"), ("affine", "jacrev"), ("flow", "jacfwd"), ("affine", "vmap")],
)
def test_transforms_of_functions_compile(family, how):
    transform = small(family, 2)
    source, theta = image((5, 5), dtype=torch.float64)[:1], theta_near_identity(transform)[:1]

    def warped(theta):
        return unwarp.warp(source, theta, transform)

    taken = {
        "jvp": lambda theta: torch.func.jvp(warped, (theta,), (torch.ones_like(theta),))[1],
        "grad": torch.func.grad(lambda theta: warped(theta).square().sum()),
        "jacrev": torch.func.jacrev(warped),
        "jacfwd": torch.func.jacfwd(warped),
        "vmap": torch.func.vmap(lambda one: warped(one[None])),
    }[how]
    expected = taken(theta)
    assert expected.abs().max() > 0.01
    assert_matches(torch.compile(taken, backend="eager", fullgraph=True)(theta), expected, "rearranged")


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_a_compiled_warp_within_forward_mode_keeps_the_tangent():
    source, theta = image((5, 5)), theta_near_identity(Affine(), dtype=torch.float32)
    compiled = torch.compile(lambda theta: unwarp.warp(source, theta, "affine"), backend="eager", fullgraph=True)
    compiled(theta)
    found = []
    for function in (compiled, lambda theta: unwarp.warp(source, theta, "affine", backend="reference")):
        with forward_ad.dual_level():
            dual = forward_ad.make_dual(theta, torch.ones_like(theta))
            found.append(forward_ad.unpack_dual(function(dual)).tangent)
    assert found[0].abs().max() > 0.01
    assert_matches(found[0], found[1], "rearranged")


def test_splines_alike_share_a_graph():
    """Loading weights, moving and copying compile nothing anew as long as the control points are the same."""
    compiled = []

    def counting(graph, _):
        compiled.append(graph)
        return graph.forward

    transform = ThinPlateSpline((3, 3))
    source, theta = image((6, 6)), theta_near_identity(transform, dtype=torch.float32)
    run = torch.compile(lambda one: unwarp.warp(source, theta, one), backend=counting, fullgraph=True)
    expected = run(transform)
    for _ in range(10):
        transform.load_state_dict(transform.state_dict())
        transform.to("cpu")
        assert_same(run(transform), expected)
        assert_same(run(copy.deepcopy(transform)), expected)
        assert_same(run(ThinPlateSpline((3, 3))), expected)
    assert len(compiled) == 1
    run(ThinPlateSpline((3, 3), regularisation=0.1))
    assert len(compiled) == 2
