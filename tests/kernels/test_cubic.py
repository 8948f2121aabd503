import math

import pytest
import torch

import unwarp
from support.tolerances import assert_matches
from unwarp.kernels import Cubic


@pytest.mark.parametrize("a", [-0.75, -0.5, -0.6, -1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_on_a_pixel_are_exactly_that_pixel(a, dtype):
    assert torch.equal(Cubic(a).weights(torch.zeros(1, dtype=dtype)), torch.tensor([[0.0, 1, 0, 0]], dtype=dtype))
    at_integers = Cubic(a)(torch.arange(-3.0, 4, dtype=dtype))
    assert torch.equal(at_integers, torch.tensor([0.0, 0, 0, 1, 0, 0, 0], dtype=dtype))


def test_keys_coefficient_reproduces_quadratics():
    x = torch.arange(12, dtype=torch.float64)
    positions = torch.linspace(3, 8, 23, dtype=torch.float64)
    grid = unwarp.coordinates.pixel_to_normalised(positions[None, :, None], (12,))
    sampled = unwarp.sample((x**2)[None, None], grid, mode=Cubic(-0.5))
    assert_matches(sampled[0, 0], positions**2, "oracle")
    assert (unwarp.sample((x**2)[None, None], grid, mode=Cubic(-0.75))[0, 0] - positions**2).abs().max() > 0.01


@pytest.mark.parametrize("a", [-0.75, -0.5])
def test_slopes_of_the_kernel(a):
    """k' is continuous; k'(1) = a; k''(0) = -2 (a + 3), which abs() alone would lose."""
    k = Cubic(a)

    def total(t):
        return k(t).sum()

    at = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0], dtype=torch.float64)
    assert_matches(torch.func.grad(total)(at), torch.tensor([0, -a, 0, a, 0], dtype=torch.float64), "oracle")
    second = torch.func.jacrev(torch.func.grad(total))(at).diagonal()
    assert_matches(second[2], torch.tensor(-2 * (a + 3), dtype=torch.float64), "oracle")


@pytest.mark.parametrize("a", [math.nan, math.inf, "x", None, True])
def test_refuses_coefficients_that_are_none(a):
    with pytest.raises(unwarp.OptionError, match=f"a: expected a finite number, got {a!r}. Use"):
        Cubic(a)


@pytest.mark.parametrize("a", [torch.tensor(-0.5), torch.nn.Parameter(torch.tensor(-0.5))])
def test_refuses_a_coefficient_to_be_learned_and_points_to_what_can(a):
    with pytest.raises(unwarp.OptionError, match=r"a: expected a number, got a tensor.*docs/kernels/your_own\.md"):
        Cubic(a)
