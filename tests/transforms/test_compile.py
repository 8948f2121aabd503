"""One graph, no break: torch.compile and torch.export for every family."""

import pytest
import torch
from torch import nn

import unwarp
from support.families import FAMILIES, small
from support.generators import image, theta_near_identity
from support.tolerances import assert_matches
from unwarp.transforms import Diffeomorphic, StationaryVelocity

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
