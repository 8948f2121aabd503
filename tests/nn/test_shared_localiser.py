"""A localiser that borrows the classifier's layers."""

import copy

import pytest
import torch
from torch import nn

from support.generators import image
from unwarp.errors import OptionError, UnsupportedError
from unwarp.nn import SharedLocaliser, SpatialTransformer, parameter_groups

SOURCE = image((12, 12), channels=1)


def network(*, gradient_scale=1.0, head=None) -> nn.Sequential:
    layers = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(400, 8))
    localiser = SharedLocaliser(layers, head, gradient_scale=gradient_scale)
    return nn.Sequential(SpatialTransformer(localiser, "affine", features=8), layers, nn.Linear(8, 3))


def shaken(model: nn.Module) -> nn.Module:
    with torch.no_grad():
        model[0].regression.weight.normal_(0, 0.05)
    return model


def test_it_sees_what_the_classifier_sees():
    model = shaken(network())
    expected = model[0].regression(model[1](SOURCE)).view(-1, 2, 3)
    torch.testing.assert_close(model[0].localise(SOURCE), expected)


def test_the_layers_stay_the_classifiers():
    model = network()
    assert list(model[0].localiser.parameters()) == []
    assert not any("localiser" in name for name in model.state_dict())
    groups = {group["name"]: group["params"] for group in parameter_groups(model, 1.0, 0.1)}
    assert [len(groups[name]) for name in ("base", "localiser", "regression")] == [6, 0, 2]


@pytest.mark.parametrize("scale", [0.0, 0.25, 1.0])
def test_the_gradient_of_theta_is_scaled_in_the_shared_layers(scale):
    torch.manual_seed(1)
    model = shaken(network(gradient_scale=scale))
    model[0].localise(SOURCE).square().sum().backward()
    through_theta = model[1][0].weight.grad.clone()
    whole = shaken(network())
    whole.load_state_dict(model.state_dict())
    whole[0].localise(SOURCE).square().sum().backward()
    torch.testing.assert_close(through_theta, scale * whole[1][0].weight.grad)
    assert torch.equal(model[0].regression.weight.grad, whole[0].regression.weight.grad)


def test_a_head_comes_between():
    model = shaken(network(head=nn.Sequential(nn.Linear(8, 8), nn.Tanh())))
    expected = model[0].regression(model[0].localiser.head(model[1](SOURCE))).view(-1, 2, 3)
    torch.testing.assert_close(model[0].localise(SOURCE), expected)


@pytest.mark.parametrize("how", ["copy", "double"])
def test_it_follows_the_classifier(how):
    model = shaken(network())
    twin = copy.deepcopy(model) if how == "copy" else copy.deepcopy(model).double()
    assert twin[0].localiser._layers[0] is twin[1]
    source = SOURCE.double() if how == "double" else SOURCE
    torch.testing.assert_close(twin(source).float(), model(SOURCE))
    with torch.no_grad():
        twin[1][0].weight.zero_()
    assert not torch.equal(twin[0].localise(source).float(), model[0].localise(SOURCE))


def test_it_compiles_and_exports():
    torch.compiler.reset()
    model = shaken(network()).eval()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(SOURCE), model(SOURCE))
    exported = torch.export.export(model, (SOURCE,)).module()
    torch.testing.assert_close(exported(SOURCE), model(SOURCE))


def test_a_replica_of_data_parallel_is_refused():
    model = network()
    assert model[0].localiser.layers is model[1]
    replica = model[0].localiser._replicate_for_data_parallel()
    with pytest.raises(UnsupportedError, match="SharedLocaliser: expected .* got a replica.*DistributedDataParallel"):
        replica(SOURCE)


@pytest.mark.parametrize("scale", [-0.1, float("inf"), float("nan")])
def test_a_scale_is_finite_and_not_negative(scale):
    with pytest.raises(OptionError, match="gradient_scale: expected a finite number"):
        network(gradient_scale=scale)


def test_its_text_names_what_it_shares():
    assert "layers=Sequential, gradient_scale=1.0" in repr(network()[0].localiser)
