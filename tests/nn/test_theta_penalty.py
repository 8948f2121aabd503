"""The regularisers of a whole network as one term of its loss."""

import copy

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.checkpoint import checkpoint

from support.generators import image
from unwarp.errors import OptionError, TrainingError, UnsupportedError
from unwarp.nn import (
    ConvLocaliser,
    ParallelSpatialTransformer,
    RecurrentSpatialTransformer,
    SpatialTransformer,
    ThetaPenalty,
    bending_energy,
    identity_penalty,
    outside_penalty,
)

SOURCE = image((28, 28), channels=1)


def network(transform="affine") -> nn.Sequential:
    first = SpatialTransformer(ConvLocaliser(1, 28), transform)
    second = SpatialTransformer(ConvLocaliser(1, 28), "translation")
    for transformer in (first, second):
        nn.init.normal_(transformer.regression.bias, std=2.0)
    return nn.Sequential(first, second)


def test_it_is_the_weighted_sum_over_all_transformers():
    model = network()
    penalty = ThetaPenalty(model, outside=2.0, identity=0.5)
    middle, first = model[0](SOURCE, return_theta=True)
    second = model[1].localise(middle)
    expected = sum(
        2 * outside_penalty(theta, one.transform) + 0.5 * identity_penalty(theta, one.transform)
        for theta, one in ((first, model[0]), (second, model[1]))
    )
    model(SOURCE)
    torch.testing.assert_close(penalty(), expected)


def test_its_gradient_reaches_the_localisers():
    model = network()
    penalty = ThetaPenalty(model, outside=1.0)
    model(SOURCE)
    penalty().backward()
    assert model[0].regression.bias.grad.any()
    assert model[1].regression.bias.grad.any()


def test_bending_of_splines():
    model = SpatialTransformer(ConvLocaliser(1, 28), "thin_plate_spline")
    nn.init.normal_(model.regression.bias)
    penalty = ThetaPenalty(model, bending=1.0)
    _, theta = model(SOURCE, return_theta=True)
    torch.testing.assert_close(penalty(), bending_energy(theta, model.transform))
    with pytest.raises(UnsupportedError, match="bending_energy: expected a ThinPlateSpline"):
        ThetaPenalty(network(), bending=1.0)


@pytest.mark.parametrize(
    "transformer",
    [
        lambda: ParallelSpatialTransformer(ConvLocaliser(1, 28), count=2),
        lambda: RecurrentSpatialTransformer(ConvLocaliser(1, 28), steps=2, hidden=4),
    ],
)
def test_every_kind_of_transformer_is_found(transformer):
    model = transformer()
    penalty = ThetaPenalty(model, identity=1.0)
    model(SOURCE)
    assert penalty() == 0


def test_it_needs_a_new_forward_pass_with_gradients():
    model = network()
    penalty = ThetaPenalty(model, outside=1.0)
    with torch.no_grad():
        model(SOURCE)
    with pytest.raises(TrainingError, match="penalty: no theta since the last call"):
        penalty()
    model(SOURCE)
    penalty()
    with pytest.raises(TrainingError, match="penalty: no theta since the last call"):
        penalty()


def test_activation_checkpointing_leaves_no_theta_behind():
    first, second = network()[:2]
    penalty = ThetaPenalty(nn.Sequential(first, second), outside=1.0)
    with torch.no_grad():
        both = outside_penalty(first.eval().localise(SOURCE), first.transform)
        both += outside_penalty(second.eval().localise(first(SOURCE)), second.transform)
    output = checkpoint(second, checkpoint(first, SOURCE, use_reentrant=False), use_reentrant=False)
    cost = penalty()
    torch.testing.assert_close(cost.detach(), both)
    (output.mean() + cost).backward()
    with pytest.raises(TrainingError, match="use_reentrant=False"):
        penalty()


def test_a_transformer_that_a_reentrant_checkpoint_hides_is_named():
    first, second = network()[:2]
    penalty = ThetaPenalty(nn.Sequential(first, second), outside=1.0)
    for _ in range(2):
        output = checkpoint(second, first(SOURCE), use_reentrant=True)
        with pytest.warns(UserWarning, match=r"\['1'\] ran without gradients.*use_reentrant=False"):
            cost = penalty()
        (output.mean() + cost).backward()
    second(SOURCE)
    assert penalty().item() > 0


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: AveragedModel(model).module])
def test_a_network_is_copied_without_its_pending_thetas(copied):
    model = network()
    penalty = ThetaPenalty(model, outside=1.0)
    model(SOURCE).sum().backward()
    twin = copied(model)
    torch.testing.assert_close(twin(SOURCE), model(SOURCE))
    expected = penalty()
    assert expected > 0
    twin(SOURCE)
    with pytest.raises(TrainingError, match="penalty: no theta since the last call"):
        penalty()  # the copy's thetas are not those of the network


def test_a_penalty_that_is_copied_with_its_network_watches_the_copy():
    model = network()
    penalty = ThetaPenalty(model, outside=1.0)
    model(SOURCE)
    twin, own = copy.deepcopy((model, penalty))
    with pytest.raises(TrainingError, match="penalty: no theta since the last call"):
        own()
    twin(SOURCE)
    torch.testing.assert_close(own(), penalty())


@pytest.mark.parametrize("weights", [{}, {"outsde": 1.0}, {"outside": -1.0}, {"outside": float("nan")}])
def test_weights_are_checked(weights):
    with pytest.raises(OptionError, match="weights: expected one or more of outside, identity, bending, folding"):
        ThetaPenalty(network(), **weights)


def test_a_network_without_a_transformer_is_refused():
    with pytest.raises(OptionError, match="model: expected at least one spatial transformer"):
        ThetaPenalty(nn.Linear(2, 2), outside=1.0)
