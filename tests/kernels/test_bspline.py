"""B-splines: against the equations they solve, without scipy's short cuts."""

import math

import numpy as np
import pytest
import torch

import unwarp
from support.generators import image
from support.tolerances import assert_matches
from unwarp.kernels import BSpline
from unwarp.kernels.spline_prefilter import spline_poles

BEYOND = 130
"""Pixels: the spline of order 7 has forgotten the ends of so long an image 60 pixels before: 0.535^60 = 5e-17."""

PAD = {"zeros": "constant", "border": "edge", "reflection": "symmetric", "circular": "wrap", "mirror": "reflect"}


def spline_value(distance, order):
    """The centred B-spline by its definition: an alternating sum of truncated powers (exact enough in float64)."""
    t = np.abs(distance)
    terms = (
        (-1) ** i * math.comb(order + 1, i) * np.maximum((order + 1) / 2 - t - i, 0.0) ** order
        for i in range(order // 2 + 1)
    )
    return sum(terms) / math.factorial(order)


@pytest.mark.parametrize("padding", PAD)
@pytest.mark.parametrize("order", range(2, 8))
def test_the_spline_is_the_solution_of_the_interpolation_equations(order, padding):
    n = 5
    pixels = image((n,), batch=1, channels=1, dtype=torch.float64)
    padded = np.pad(pixels[0, 0].numpy(), BEYOND, mode=PAD[padding])
    at = np.arange(-BEYOND, n + BEYOND)
    coefficients = np.linalg.solve(spline_value(at[:, None] - at, order), padded)
    where = np.concatenate([np.linspace(-3.3, n + 2.3, 43), np.linspace(-60, n + 60, 101)])
    expected = spline_value(where[:, None] - at, order) @ coefficients

    aligned = padding == "mirror"
    grid = unwarp.coordinates.pixel_to_normalised(torch.from_numpy(where)[None, :, None], (n,), align_corners=aligned)
    mode = "reflection" if aligned else padding
    sampled = unwarp.sample(pixels, grid, mode=f"bspline{order}", padding_mode=mode, align_corners=aligned)
    assert_matches(sampled[0, 0], torch.from_numpy(expected), "spline")


@pytest.mark.parametrize("order", range(8))
def test_poles_are_roots_of_the_sampled_spline(order):
    poles = spline_poles(order)
    assert len(poles) == order // 2
    taps = np.arange(-(order // 2), order // 2 + 1)
    for pole in poles:
        assert abs(pole) < 1
        assert abs(np.sum(spline_value(taps, order) * pole ** (taps + order // 2))) < 1e-15


@pytest.mark.parametrize("order", range(2, 8))
def test_order_minus_one_derivatives_are_continuous(order):
    """Across a pixel for odd orders, halfway between two for even ones."""
    x = image((9,), batch=1, channels=1, dtype=torch.float64)
    kink = 4.0 if order % 2 else 4.5

    def value(position):
        grid = unwarp.coordinates.pixel_to_normalised(position.view(1, 1, 1), (9,))
        return unwarp.sample(x, grid, mode=BSpline(order)).squeeze()

    derivative = value
    for _ in range(order - 1):
        derivative = torch.func.grad(derivative)
    step = 1e-7
    left, right = (derivative(torch.tensor(kink + side, dtype=torch.float64)) for side in (-step, step))
    highest = torch.func.grad(derivative)(torch.tensor(kink + step, dtype=torch.float64))
    assert abs(left - right) < 1e-5 * (1 + abs(highest))


def test_without_prefilter_the_pixels_are_the_coefficients():
    x = image((8,), batch=1, channels=1, dtype=torch.float64)
    sampled = unwarp.sample(x, torch.zeros(1, 1, 1, dtype=torch.float64) + 1 / 8, mode=BSpline(3, prefilter=False))
    expected = (x[0, 0, 3] + 4 * x[0, 0, 4] + x[0, 0, 5]) / 6
    assert_matches(sampled.squeeze(), expected, "rearranged")


@pytest.mark.parametrize("order", [-1, 8, 2.5, True])
def test_refuses_other_orders(order):
    with pytest.raises(unwarp.OptionError, match="order: expected an integer from 0 to 7"):
        BSpline(order)
