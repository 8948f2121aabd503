"""Polar grids: the formula, and what they are for: rotation and scale become shifts."""

import math

import pytest
import torch

import unwarp
from support.generators import smooth_image
from support.tolerances import assert_matches
from unwarp.errors import OptionError
from unwarp.transforms import Bounded, Compose, LogPolar, Polar, Rigid, Similarity


@pytest.mark.parametrize("family", [Polar(radius=0.8), LogPolar(radius=0.8, smallest=0.1)])
def test_angles_and_radii_are_those_of_the_output_pixel(family):
    height, width = 12, 9
    origin = torch.tensor([0.2, -0.1], dtype=torch.float64)
    grid = family(origin, unwarp.make_grid((height, width), dtype=torch.float64)) - origin
    turns = (torch.arange(height, dtype=torch.float64) + 0.5) / height
    share = (torch.arange(width, dtype=torch.float64) + 0.5) / width
    radii = 0.8 * share if isinstance(family, Polar) else 0.08 * 10**share
    assert_matches(grid.norm(dim=-1), radii.expand(height, -1), "oracle")
    angle = torch.atan2(grid[..., 1], grid[..., 0]) % (2 * math.pi)
    assert_matches(angle, (2 * math.pi * turns)[:, None].expand(-1, width), "oracle")


def test_the_edges_are_the_centre_the_radius_and_a_full_turn():
    corners = torch.tensor([[-1.0, 0.3], [1.0, -1.0], [1.0, 1.0]], dtype=torch.float64)
    mapped = Polar(radius=0.7)(torch.zeros(2, dtype=torch.float64), corners)
    assert_matches(mapped, torch.tensor([[0, 0], [0.7, 0], [0.7, 0]], dtype=torch.float64), "oracle")
    logarithmic = LogPolar(radius=0.7, smallest=0.1)(torch.zeros(2, dtype=torch.float64), corners)
    assert_matches(logarithmic[1], torch.tensor([0.7, 0], dtype=torch.float64), "oracle")
    assert_matches(logarithmic[0].norm(), torch.tensor(0.07, dtype=torch.float64), "oracle")


@pytest.mark.parametrize("family", [Polar(radius=0.6), LogPolar(radius=0.6)])
def test_turning_the_input_about_the_origin_rolls_the_rows(family):
    rows = 24
    points = unwarp.make_grid((rows, 8), dtype=torch.float64)
    origin = torch.tensor([0.1, 0.2], dtype=torch.float64)
    quarter = torch.tensor([math.pi / 2, 0, 0], dtype=torch.float64)
    turned = Rigid()(quarter, family(torch.zeros(2, dtype=torch.float64), points)) + origin
    assert_matches(turned, family(origin, points).roll(-rows // 4, 0), "oracle")


def test_scaling_the_input_about_the_origin_shifts_the_columns_of_a_log_polar_grid():
    family, width = LogPolar(smallest=1 / 16), 16
    points = unwarp.make_grid((6, width), dtype=torch.float64)
    grid = family(torch.zeros(2, dtype=torch.float64), points)
    assert_matches(2 * grid[:, :-4], grid[:, 4:], "oracle")  # 16 columns are a factor of 16: 4 are a factor of 2


def test_an_image_is_unrolled():
    source = smooth_image((48, 48), channels=2).double()
    origin = torch.tensor([[0.25, -0.125]], dtype=torch.float64)
    unrolled = unwarp.warp(source, origin, Polar(radius=0.5), (32, 24), mode="bicubic", padding_mode="border")
    turn = torch.tensor([[math.pi / 2, 0.25, -0.125]], dtype=torch.float64)
    back = torch.tensor([[0, -0.25, 0.125]], dtype=torch.float64)
    turned = unwarp.warp(source, Rigid().compose(turn, back), Rigid(), mode="bicubic", padding_mode="border")
    again = unwarp.warp(turned, origin, Polar(radius=0.5), (32, 24), mode="bicubic", padding_mode="border")
    assert (again - unrolled.roll(-8, 2)).abs().max() < 0.02 < (again - unrolled).abs().max()


def test_in_three_dimensions_z_is_shifted_only():
    points = torch.tensor([[0.5, -0.5, 0.3]], dtype=torch.float64)
    mapped = Polar(3)(torch.tensor([0.1, 0.2, 0.4], dtype=torch.float64), points)
    assert_matches(mapped, torch.tensor([[0.1, 0.95, 0.7]], dtype=torch.float64), "oracle")


def test_wrappers_start_where_the_grid_does():
    bounded = Bounded(Polar(), shift=0.3)
    assert torch.equal(bounded.start(), torch.zeros(2))
    assert torch.equal(bounded.bound(torch.tensor([9.0, -9.0])), torch.tensor([0.3, -0.3]))
    chain = Compose(Similarity(), LogPolar())
    assert torch.equal(chain.start(), torch.tensor([1.0, 0, 0, 0, 0, 0]))
    point = torch.tensor([[0.2, 0.4]])
    assert_close = torch.testing.assert_close
    assert_close(chain(chain.start(), point), LogPolar()(torch.zeros(2), point))


@pytest.mark.parametrize("radius", [0.0, -1.0, math.inf, math.nan, "1", None])
def test_a_radius_must_be_positive(radius):
    with pytest.raises(OptionError, match="radius: expected a positive number"):
        Polar(radius=radius)


@pytest.mark.parametrize("smallest", [0.0, 1.0, -0.5, math.nan, "0.1"])
def test_the_smallest_radius_is_a_share(smallest):
    with pytest.raises(OptionError, match="smallest: expected a share"):
        LogPolar(smallest=smallest)
