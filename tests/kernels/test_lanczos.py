import math

import numpy as np
import pytest
import torch

import unwarp
from support.tolerances import assert_matches
from unwarp.kernels import Lanczos
from unwarp.kernels.lanczos import sinc


@pytest.mark.parametrize("lobes", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_is_exactly_zero_at_the_other_pixels(lobes, dtype):
    at = torch.arange(-9.0, 10, dtype=dtype)
    assert torch.equal(Lanczos(lobes)(at), (at == 0).to(dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sinc_is_torchs_off_the_integers(dtype):
    at = torch.linspace(-4.95, 4.95, 100, dtype=dtype)
    assert_matches(sinc(at), torch.sinc(at.double()).to(dtype), "rearranged")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("offset", [0.0, 1e-6, 1e-3, 0.3, 1 / math.pi, 0.4])
def test_derivatives_of_sinc_around_zero(offset, dtype):
    """Against the mean of cos(w t) over w from 0 to pi, differentiated under the integral."""
    nodes, weights = np.polynomial.legendre.leggauss(50)
    w = math.pi * (nodes + 1) / 2
    t = torch.tensor(offset, dtype=dtype)
    first = torch.func.grad(sinc)
    x = float(t)
    expected = [np.sum(weights / 2 * f) for f in (np.cos(w * x), -w * np.sin(w * x), -w * w * np.cos(w * x))]
    for function, value in zip((sinc, first, torch.func.grad(first)), expected, strict=True):
        tolerance = 3e-5 if dtype == torch.float32 else 1e-13  # the second derivative divides by the distance's cube
        torch.testing.assert_close(function(t), torch.tensor(value, dtype=dtype), atol=tolerance, rtol=0)


def test_second_derivative_where_every_identity_transform_starts():
    x = torch.tensor([0.3, 0.9, 0.1, 0.7, 0.2, 0.6, 0.4], dtype=torch.float64)[None, None]

    def value(shift):
        grid = unwarp.coordinates.pixel_to_normalised((3.0 + shift).view(1, 1, 1), (7,))
        return unwarp.sample(x, grid, mode="lanczos2").squeeze()

    second = torch.func.grad(torch.func.grad(value))(torch.tensor(0.0, dtype=torch.float64))
    step = 1e-4
    nearby = [value(torch.tensor(k * step, dtype=torch.float64)) for k in range(4)]
    expected = (2 * nearby[0] - 5 * nearby[1] + 4 * nearby[2] - nearby[3]) / step**2  # one-sided, second order
    torch.testing.assert_close(second, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("lobes", [0, -3, 2.5, math.nan, math.inf, True, "3"])
def test_refuses_no_lobes(lobes):
    with pytest.raises(unwarp.OptionError, match="lobes: expected at least 1"):
        Lanczos(lobes)
