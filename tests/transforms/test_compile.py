"""One graph, no break: torch.compile and torch.export for every family."""

import pytest
import torch
from torch import nn

import unwarp
from support.families import FAMILIES, small
from support.generators import image, theta_near_identity
from support.tolerances import assert_matches
from unwarp.transforms import Diffeomorphic

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
    # Two stages: the others repeat the same graph.
    module = Warp(Diffeomorphic((1, 1), stages=2).double() if family == "diffeomorphic" else small(family, 2))
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


@pytest.mark.parametrize("family", ROUTES)
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


@pytest.mark.parametrize("family", ["thin_plate_spline", "learned_basis"])
def test_a_name_first_met_while_compiling_makes_a_lasting_transform(family, monkeypatch):
    monkeypatch.setitem(unwarp.transforms.resolve.__globals__, "_shared", {})
    transform = unwarp.transforms.TRANSFORMS[family](ndim=2)
    source, theta = image((5, 4)), theta_near_identity(transform, dtype=torch.float32)
    compiled = torch.compile(
        lambda: unwarp.warp(source, theta, family, backend="reference"), fullgraph=True, backend="aot_eager"
    )
    expected = unwarp.warp(source, theta, transform, backend="reference")
    assert torch.equal(compiled(), expected)
    assert torch.equal(unwarp.warp(source, theta, family, backend="reference"), expected)
