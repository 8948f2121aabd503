"""Scaling and squaring: against the differential equation, and the inverse as the lattice gets finer."""

import pytest
import torch

from support.families import DIMENSIONS, points_inside
from support.generators import generator
from support.tolerances import assert_matches
from unwarp import coordinates
from unwarp.errors import OptionError
from unwarp.transforms import StationaryVelocity


def smooth(n, ndim):
    nodes = coordinates.corner_grid((n,) * ndim, dtype=torch.float64)
    waves = torch.randn(ndim, ndim, generator=generator(4), dtype=torch.float64)
    return (0.2 * torch.sin(nodes @ waves)).reshape(*(n,) * ndim, ndim)


@pytest.mark.parametrize("ndim", DIMENSIONS)
def test_the_inverse_gets_better_with_the_lattice(ndim):
    points = 0.7 * points_inside(ndim, 50)
    errors = []
    for n in (6, 11, 21):
        transform, theta = StationaryVelocity((n,) * ndim, ndim=ndim, squarings=12), smooth(n, ndim)
        back = transform(transform.inverse(theta), transform(theta, points))
        errors.append((back - points).abs().max().item())
    assert errors[2] < 4e-3
    assert errors[0] > 1.8 * errors[1] > 3.2 * errors[2]


def test_a_linear_field_gives_the_matrix_exponential():
    nodes = coordinates.corner_grid((9, 9), dtype=torch.float64)
    linear = torch.tensor([[0.1, -0.3], [0.2, -0.2]], dtype=torch.float64)
    points = 0.3 * points_inside(2, 50)
    mapped = StationaryVelocity((9, 9), squarings=12)((nodes @ linear.mT).reshape(9, 9, 2), points)
    torch.testing.assert_close(mapped, points @ torch.linalg.matrix_exp(linear).mT, atol=1e-5, rtol=0)


def test_a_constant_field_shifts():
    theta = torch.tensor([0.3, -0.2], dtype=torch.float64).expand(8, 8, 2)
    points = points_inside(2, 20)
    assert_matches(StationaryVelocity()(theta, points), points + theta[0, 0], "oracle")


@pytest.mark.parametrize("squarings", [-1, 31, 2.5, True, "3"])
def test_squarings_are_a_whole_number(squarings):
    with pytest.raises(OptionError, match=f"squarings: expected an integer from 0 to 30, got {squarings!r}"):
        StationaryVelocity(squarings=squarings)


def test_wrong_options_are_refused():
    with pytest.raises(OptionError, match="counts of at least 2"):
        StationaryVelocity((1, 4))
