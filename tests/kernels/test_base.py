"""A kernel of one's own: a subclass with a support and a forward."""

import pytest
import torch
from torch import nn

import unwarp
from support.generators import image, off_lattice_grid
from support.tolerances import assert_matches
from unwarp.kernels import AbstractKernel


class Hann(AbstractKernel):
    """A raised cosine of learnable radius within a fixed support."""

    name, support, partition_of_unity = "hann", 3.0, False

    def __init__(self, radius=2.5):
        super().__init__()
        self.radius = nn.Parameter(torch.tensor(radius))

    def forward(self, distance):
        within = distance.abs() < self.radius
        return torch.where(within, 0.5 + 0.5 * torch.cos(torch.pi * distance / self.radius), 0)


class LearnedTable(AbstractKernel):
    """The paper's k(.; Phi) with Phi the values of a piecewise linear function."""

    name, support, partition_of_unity = "table", 2.0, False

    def __init__(self):
        super().__init__()
        self.values = nn.Parameter(torch.tensor([1.0, 0.6, 0.1, -0.05, 0.0]))

    def forward(self, distance):
        at = distance.abs().clamp_max(1.999) * 2
        left = at.detach().floor().long()
        return torch.lerp(self.values[left], self.values[left + 1], at - left)


@pytest.mark.parametrize("kernel", [Hann, LearnedTable])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection", "circular", "fill"])
@pytest.mark.parametrize("ndim", [1, 2])
def test_gradients_to_the_kernels_own_parameters(kernel, padding, ndim):
    size = (6, 5)[:ndim]
    mode = kernel().double()
    x = image(size, batch=1, channels=1, dtype=torch.float64).requires_grad_()
    grid = off_lattice_grid(size, (3,), align_corners=False, batch=1).requires_grad_()
    (phi,) = mode.parameters()
    torch.autograd.gradcheck(lambda x, grid, _: unwarp.sample(x, grid, mode=mode, padding_mode=padding), (x, grid, phi))


def test_weights_are_normalised():
    weights = Hann().weights(torch.linspace(0, 0.99, 7))
    assert weights.shape == (7, 6)
    assert_matches(weights.sum(-1), torch.ones(7), "rearranged")


def test_a_transformer_trains_its_kernel():
    transformer = unwarp.nn.SpatialTransformer(nn.Flatten(), features=64, mode=LearnedTable())
    names = [name for name, _ in transformer.named_parameters()]
    assert "sampler.mode.values" in names
    transformer(torch.rand(2, 1, 8, 8)).square().sum().backward()
    assert transformer.sampler.mode.values.grad.abs().max() > 0


def test_works_with_antialias():
    x = torch.ones(1, 1, 32, 32, dtype=torch.float64)
    shrunk = unwarp.warp(
        x, torch.eye(2, 3)[None], "affine", (8, 8), mode=Hann().double(), padding_mode="border", antialias=True
    )
    assert_matches(shrunk, torch.ones(1, 1, 8, 8, dtype=torch.float64), "oracle")


@pytest.mark.parametrize("mode", ["lanczos5", "cubc", "BILINEAR", None])
def test_an_unknown_name_is_refused_with_the_nearest(mode):
    with pytest.raises(unwarp.OptionError, match="mode: expected one of nearest, bilinear, bicubic") as caught:
        unwarp.kernels.resolve(mode)
    assert mode != "lanczos5" or "'lanczos4'" in str(caught.value)


@pytest.mark.parametrize(("alias", "name"), [("linear", "bilinear"), ("cubic", "bicubic")])
def test_aliases(alias, name):
    assert unwarp.kernels.resolve(alias) is unwarp.kernels.resolve(name)
