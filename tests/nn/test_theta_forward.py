"""The head that knows where its transformer looked."""

import pytest
import torch
from torch import nn

import unwarp
from support.generators import image
from unwarp.nn import ConvLocaliser, ParallelSpatialTransformer, SpatialTransformer, ThetaForward
from unwarp.transforms import Translation


class Seen(nn.Module):
    def forward(self, x):
        self.last = x
        return x.sum(1, keepdim=True)


@pytest.mark.parametrize("family", ["affine", "thin_plate_spline", "polar"])
def test_the_head_gets_features_and_theta_from_its_start(family):
    transformer = SpatialTransformer(ConvLocaliser(1, 28), family)
    network = ThetaForward(transformer, nn.Flatten(), Seen())
    source = image((28, 28), channels=1)
    network(source)
    warped, numbers = network.head.last[:, :784], network.head.last[:, 784:]
    assert torch.equal(warped, transformer(source).flatten(1))
    assert not numbers.any()
    with torch.no_grad():
        transformer.regression.bias[0] += 0.25
    network(source)
    moved = network.head.last[:, 784:]
    assert moved.shape == (2, transformer.transform.start().numel())
    torch.testing.assert_close(moved[:, 0], torch.full((2,), 0.25))
    assert not moved[:, 1:].any()


def test_several_warps_give_all_their_thetas():
    parallel = ParallelSpatialTransformer(ConvLocaliser(1, 28), "affine", count=3)
    network = ThetaForward(parallel, nn.Flatten(), Seen())
    network(image((28, 28), channels=1))
    assert network.head.last.shape == (2, 3 * 784 + 3 * 6)


@pytest.mark.parametrize("detach", [False, True])
def test_theta_itself_trains_the_localiser_unless_detached(detach):
    transformer = SpatialTransformer(ConvLocaliser(1, 28), "affine")
    network = ThetaForward(transformer, nn.Sequential(Zero(), nn.Flatten()), Seen(), detach=detach)
    result = network(image((28, 28), channels=1)).sum()
    if detach:
        assert transformer.regression.bias.grad is None
        assert not torch.autograd.grad(result, transformer.regression.bias)[0].any()
    else:
        result.backward()
        assert transformer.regression.bias.grad.all()


class Zero(nn.Module):
    def forward(self, x):
        return 0 * x


@pytest.mark.usefixtures("one_thread")
def test_where_an_object_was_is_known_only_with_theta():
    """The transformer centres a blob: what it returns is always the same, and theta alone tells where the blob was."""
    places = torch.rand(64, 2) - 0.5
    blob = torch.exp(-30 * unwarp.make_grid((16, 16)).square().sum(-1))[None, None]
    shifted = unwarp.warp(blob, -places, "translation")
    transformer = SpatialTransformer(Centre(), Translation(), features=2)
    with torch.no_grad():
        transformer.regression.weight.copy_(torch.eye(2))
    errors = {}
    for name in ("warped", "with theta"):
        body = nn.Sequential(transformer, nn.Flatten(), nn.Linear(256, 2))
        network = body if name == "warped" else ThetaForward(transformer, nn.Flatten(), nn.Linear(258, 2))
        trained = [p for module, p in network.named_parameters() if "transformer" not in module and module[0] != "0"]
        optimiser = torch.optim.Adam(trained, lr=0.02)
        for _ in range(150):
            optimiser.zero_grad()
            loss = (network(shifted) - places).square().mean()
            loss.backward()
            optimiser.step()
        errors[name] = loss.item()
    assert errors["with theta"] < 0.1 * errors["warped"], errors


class Centre(nn.Module):
    def forward(self, x):
        grid = unwarp.make_grid(x.shape[2:])
        return (x.sum(1)[..., None] * grid).sum((1, 2)) / x.sum((1, 2, 3))[:, None]
