"""What splines keep: their bases, their control points when weights are loaded, and each other's compiled graphs."""

import copy
import gc

import pytest
import torch

import unwarp
from support.generators import generator, image, theta_near_identity
from support.tolerances import assert_matches, assert_same
from unwarp.errors import ShapeError
from unwarp.transforms import (
    Bounded,
    BSpline,
    Diffeomorphic,
    LearnedBasis,
    PiecewiseAffine,
    ThinPlateSpline,
    spline,
)


def test_splines_leave_nothing_behind():
    gc.collect()
    before = len(spline._BY_NUMBER), len(spline._BY_POINTS)
    alike = [ThinPlateSpline(torch.rand(8, 2, generator=generator(seed))) for seed in range(5)]
    alike += [copy.deepcopy(alike[0]), ThinPlateSpline(alike[0].control)]
    assert (len(spline._BY_NUMBER), len(spline._BY_POINTS)) == (before[0] + 5, before[1] + 5)
    del alike
    gc.collect()
    assert (len(spline._BY_NUMBER), len(spline._BY_POINTS)) == before


@pytest.mark.parametrize("family", [BSpline, PiecewiseAffine])
def test_the_weights_of_another_lattice_are_refused(family):
    with pytest.raises(ShapeError, match=r"a lattice of \(5, 3\)"):
        family((5, 3)).load_state_dict(family((3, 5)).state_dict())
    family((5, 3)).load_state_dict(family((5, 3)).bfloat16().state_dict())
    with torch.device("meta"):
        empty = family((5, 3))
    with pytest.warns(UserWarning, match="no-op"):  # torch's own: there is nothing to load into
        empty.load_state_dict(family((5, 3)).state_dict())


@pytest.mark.parametrize("family", [ThinPlateSpline, BSpline, PiecewiseAffine, Diffeomorphic, LearnedBasis, Bounded])
def test_a_module_of_the_meta_device_is_whole_after_loading(family):
    made = family()
    with torch.device("meta"):
        empty = family()
    assert all(tensor.is_meta for tensor in (*empty.parameters(), *empty.buffers()))
    filled = empty.to_empty(device="cpu")
    for tensor in (*filled.parameters(), *filled.buffers()):
        tensor.data.fill_(torch.nan if tensor.is_floating_point() else -1)
    filled.load_state_dict(made.state_dict())
    theta = theta_near_identity(made, dtype=torch.float32)
    assert_same(unwarp.warp(image((6, 6)), theta, filled), unwarp.warp(image((6, 6)), theta, made))


def test_of_large_bases_the_last_alone_is_kept(monkeypatch):
    monkeypatch.setattr(spline, "_KEPT_BYTES", 2000)
    transform = BSpline((2, 2))
    bases = [
        transform.grid_basis((n, n), align_corners=False, dtype=torch.float32, device=torch.device("cpu"))
        for n in (8, 9, 30)
    ]
    assert list(transform._grid_bases.values()) == [bases[-1]]


def test_a_basis_is_made_in_parts(monkeypatch):
    whole, parts = ThinPlateSpline(), ThinPlateSpline()
    options = {"align_corners": False, "dtype": torch.float32, "device": torch.device("cpu")}
    expected = whole.grid_basis((9, 7), **options)
    monkeypatch.setattr(spline, "_POINTS_AT_ONCE", 10)
    assert_matches(parts.grid_basis((9, 7), **options), expected, "rearranged")
