"""Muon and AdamW as one optimiser: each against torch's own, on the parameters that are its share."""

import copy

import pytest
import torch
from torch import nn
from torch.optim import AdamW, Muon

from support.generators import generator
from unwarp.models import CNN, st_cnn
from unwarp.nn import parameter_groups
from unwarp.training.muon import MuonWithAdamW

LR = 0.01


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 24, 3), nn.Flatten(), nn.Linear(24 * 16, 32), nn.Linear(32, 10))


def descend(optimiser, network, *, steps=3, seed=0):
    images = torch.randn(steps, 5, 3, 6, 6, generator=generator(seed))
    for batch in images:
        optimiser.zero_grad()
        network(batch).square().mean().backward()
        optimiser.step()


def test_each_takes_its_share_as_torch_would(network):
    twin = copy.deepcopy(network)
    ours = MuonWithAdamW([{"params": network.parameters()}], LR, weight_decay=0.1)
    hidden, wide = twin[0].weight, twin[2].weight
    rows = nn.Parameter(hidden.detach().flatten(1).clone())
    others = [twin[0].bias, twin[2].bias, *twin[3].parameters()]
    muon = Muon([rows, wide], LR, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    adamw = AdamW(others, LR, weight_decay=0.1)
    for batch in torch.randn(3, 5, 3, 6, 6, generator=generator(0)):
        for each, model in ((ours, network), (adamw, twin)):
            each.zero_grad()
            model(batch).square().mean().backward()
        ours.step()
        rows.grad = hidden.grad.flatten(1)
        muon.step()
        adamw.step()
        hidden.data.copy_(rows.view_as(hidden))
        hidden.grad = wide.grad = None
    for found, expected in zip(network.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(found, expected, atol=0, rtol=0)


def test_the_layer_that_predicts_theta_and_the_outputs_are_adamws():
    model = st_cnn((28, 28), width=32, transform="thin_plate_spline")
    optimiser = MuonWithAdamW(parameter_groups(model, LR, 1.0), LR)
    names = {name for name, p in model.named_parameters() if p in optimiser._matrices}
    assert names
    assert all(name.endswith("weight") for name in names)
    regression = {p for group in optimiser.param_groups if group["name"] == "regression" for p in group["params"]}
    assert any(min(p.shape) >= 20 for p in regression if p.ndim == 2)  # by its shape alone it would be a hidden layer
    assert not regression & set(optimiser._matrices)
    assert all(p.shape[0] != 10 for p in optimiser._matrices)


def test_rates_are_those_of_the_groups(network):
    before = copy.deepcopy(network)
    groups = [{"params": network[:2].parameters(), "lr": 0.0}, {"params": network[2:].parameters()}]
    optimiser = MuonWithAdamW(groups, LR)
    descend(optimiser, network, steps=1)
    assert torch.equal(network[0].weight, before[0].weight)
    assert not torch.equal(network[2].weight, before[2].weight)
    optimiser.param_groups[1]["lr"] = 0.0  # as a schedule does
    before = copy.deepcopy(network)
    descend(optimiser, network, steps=1)
    assert all(torch.equal(*pair) for pair in zip(network.parameters(), before.parameters(), strict=True))


def test_goes_on_from_its_state(network):
    optimiser = MuonWithAdamW([{"params": network.parameters()}], LR)
    descend(optimiser, network)
    other, state = copy.deepcopy(network), copy.deepcopy(optimiser.state_dict())
    forgetful = copy.deepcopy(network)
    descend(optimiser, network, seed=1)
    resumed = MuonWithAdamW([{"params": other.parameters()}], 1.0)
    resumed.load_state_dict(state)
    assert resumed.param_groups[0]["lr"] == LR
    descend(resumed, other, seed=1)
    descend(MuonWithAdamW([{"params": forgetful.parameters()}], LR), forgetful, seed=1)
    for found, expected, without in zip(other.parameters(), network.parameters(), forgetful.parameters(), strict=True):
        assert torch.equal(found, expected)
        assert not torch.equal(without, expected)


def test_channels_last_filters_are_the_same_rows(network):
    twin = copy.deepcopy(network).to(memory_format=torch.channels_last)
    for model in (network, twin):
        descend(MuonWithAdamW([{"params": model.parameters()}], LR), model)
    assert twin[0].weight.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(twin[0].weight, network[0].weight, atol=1e-4, rtol=0)  # Muon rounds to bfloat16


def test_a_network_without_hidden_layers_and_one_of_nothing_else():
    for model, shares in ((nn.Linear(5, 3), 1), (nn.Linear(30, 30, bias=False), 1), (CNN((28, 28), width=32), 2)):
        assert len(MuonWithAdamW([{"params": model.parameters()}], LR)._inner) == shares


def test_a_frozen_layer_stays(network):
    network[2].weight.requires_grad_(requires_grad=False)
    before = network[2].weight.clone()
    optimiser = MuonWithAdamW([{"params": network.parameters()}], LR)
    descend(optimiser, network)
    assert torch.equal(network[2].weight, before)


def test_a_closure_gives_the_loss(network):
    optimiser = MuonWithAdamW([{"params": network.parameters()}], LR)
    batch = torch.randn(2, 3, 6, 6, generator=generator(0))

    def closure():
        optimiser.zero_grad()
        loss = network(batch).square().mean()
        loss.backward()
        return loss

    first, second = optimiser.step(closure), optimiser.step(closure)
    assert second < first
