import math

import pytest
import torch

import unwarp
from support.generators import image, off_lattice_grid
from support.tolerances import assert_matches
from unwarp.kernels import Gaussian


def test_is_a_blur_by_sigma():
    """The second moment of the weights, for a wide kernel whose truncation does not matter."""
    kernel = Gaussian(3.0, truncate=6)
    offsets = torch.tensor(list(kernel.offsets), dtype=torch.float64)
    weights = kernel.weights(torch.tensor(0.0, dtype=torch.float64))
    assert (weights * offsets**2).sum().item() == pytest.approx(9, rel=1e-6)  # cut at 6 sigma: e^-18 = 1.5e-8


def test_the_gradient_of_sigma():
    x = image((7, 6), batch=1, channels=1, dtype=torch.float64)
    grid = off_lattice_grid((7, 6), (4,), align_corners=False, batch=1, reach=0)
    kernel = Gaussian(0.8, learnable=True).double()
    torch.autograd.gradcheck(lambda _: unwarp.sample(x, grid, mode=kernel), kernel.log_sigma)


def test_training_finds_the_width_that_blurred_an_image():
    x = image((24, 24), batch=1, channels=1)
    theta = torch.eye(2, 3)[None]
    target = unwarp.warp(x, theta, "affine", mode=Gaussian(0.9))
    sampler = unwarp.nn.Sampler(mode=Gaussian(0.6, truncate=6, learnable=True))
    assert [name for name, _ in sampler.named_parameters()] == ["mode.log_sigma"]
    optimiser = torch.optim.Adam(sampler.parameters(), lr=0.05)
    for _ in range(60):
        optimiser.zero_grad()
        (sampler.warp(x, theta, unwarp.transforms.Affine(), None) - target).square().mean().backward()
        optimiser.step()
    assert abs(sampler.mode.sigma.item() - 0.9) < 0.02


@pytest.mark.parametrize("sigma", [1e-6, 0.05, 30.0, 1e20])
def test_any_learned_width_gives_finite_weights_that_sum_to_one(sigma):
    kernel = Gaussian(1.0, learnable=True)
    with torch.no_grad():
        kernel.log_sigma.fill_(math.log(sigma))
    weights = kernel.weights(torch.tensor([0.0, 0.5, 0.999]))
    assert_matches(weights.sum(-1), torch.ones(3), "rearranged")


@pytest.mark.parametrize("sigma", [0.5, 1.3])
def test_double_precision_has_the_width_that_was_asked_for(sigma):
    distance = torch.linspace(-6, 6, 49, dtype=torch.float64)
    for kernel in (Gaussian(sigma), Gaussian(sigma).double()):
        bell = torch.exp(-((distance / sigma) ** 2) / 2) - math.exp(-((kernel.support / sigma) ** 2) / 2)
        assert_matches(kernel(distance), bell.where(distance.abs() < kernel.support, 0), "oracle")


def test_a_width_is_loaded_with_the_weights():
    kernel = Gaussian(1.3)
    kernel.load_state_dict(Gaussian(2.0).state_dict())
    assert torch.equal(kernel.sigma, Gaussian(2.0).sigma)


@pytest.mark.parametrize("value", ["1", None, torch.tensor(1.0)])
@pytest.mark.parametrize("argument", ["sigma", "truncate"])
def test_refuses_what_is_no_number(argument, value):
    with pytest.raises(unwarp.OptionError, match=f"{argument}: expected a number, got"):
        Gaussian(**{argument: value})


@pytest.mark.parametrize("sigma", [0.0, 0.01, math.inf, math.nan])
def test_refuses_widths_that_are_none(sigma):
    with pytest.raises(unwarp.OptionError, match="sigma: expected at least 0.1 pixels"):
        Gaussian(sigma)


def test_refuses_to_truncate_within_one_sigma():
    with pytest.raises(unwarp.OptionError, match="truncate: expected at least 1"):
        Gaussian(1.0, truncate=0.5)
