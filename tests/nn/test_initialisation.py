"""How a transformer starts, and the optimiser groups of its localisers."""

import pytest
import torch
from torch import nn

from support.generators import image
from unwarp.nn import ConvLocaliser, DenseLocaliser, SpatialTransformer, parameter_groups, regression_layer
from unwarp.transforms import Affine, ThinPlateSpline


def transformer(**options) -> SpatialTransformer:
    return SpatialTransformer(DenseLocaliser(192, widths=(4,)), **options)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("transform", [Affine(), Affine(3), ThinPlateSpline((2, 2))])
@pytest.mark.parametrize("features", [7, None])
def test_the_regression_layer_yields_the_identity(features, transform, count):
    layer = regression_layer(features, transform, count)
    theta = layer(torch.randn(5, 7))
    assert torch.equal(theta, transform.identity().flatten().repeat(count).expand(5, -1))
    assert not layer.weight.any()
    assert type(layer) is nn.Linear


def ids(parameters) -> list[int]:
    return [id(parameter) for parameter in parameters]


def groups_of(model: nn.Module) -> dict[str, list[int]]:
    """The groups' parameters by name, each held to be in exactly one."""
    groups = parameter_groups(model, 0.5, 0.1, regression_lr_scale=4.0)
    rates = {group["name"]: group["lr"] for group in groups}
    assert rates == pytest.approx({"base": 0.5, "localiser": 0.05, "regression": 0.2})
    found = {group["name"]: ids(group["params"]) for group in groups}
    together = [one for group in found.values() for one in group]
    assert len(together) == len(set(together))
    assert set(together) == set(ids(model.parameters()))
    return found


def test_localisers_regressions_and_the_rest_are_a_group_each():
    first, classifier, second = transformer(), nn.Linear(8, 8), transformer(transform="translation")
    found = groups_of(nn.Sequential(first, nn.Sequential(classifier, second)))
    assert set(found["localiser"]) == set(ids([*first.localiser.parameters(), *second.localiser.parameters()]))
    assert set(found["regression"]) == set(ids([*first.regression.parameters(), *second.regression.parameters()]))
    assert set(found["base"]) == set(ids(classifier.parameters()))


def test_a_network_that_is_nothing_but_a_transformer():
    found = groups_of(transformer())
    assert not found["base"]
    assert torch.optim.SGD(parameter_groups(transformer(), 0.1, 1.0)).param_groups[1]["name"] == "localiser"


def test_a_localiser_shared_by_two_transformers_counts_once():
    localiser = DenseLocaliser(192, widths=(4,))
    model = nn.Sequential(SpatialTransformer(localiser), SpatialTransformer(localiser, "rigid"))
    assert set(groups_of(model)["localiser"]) == set(ids(localiser.parameters()))


def test_layers_shared_with_the_classifier_learn_as_the_localiser():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone = DenseLocaliser(192, widths=(4,))
            self.transformer = SpatialTransformer(self.backbone)
            self.head = nn.Linear(4, 10)

    model = Shared()
    assert set(groups_of(model)["base"]) == set(ids(model.head.parameters()))


def test_a_module_that_is_its_own_localiser_by_another_name():
    """A child registered twice has one name in `named_children`."""

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Linear(3, 4)
            self.localiser = self.features
            self.regression = nn.Linear(4, 6)

    found = groups_of(Twice())
    assert [len(found[name]) for name in ("base", "localiser", "regression")] == [0, 2, 2]


def test_a_regression_layer_without_a_localiser_is_no_transformer():
    class Regressor(nn.Module):
        def __init__(self):
            super().__init__()
            self.regression = nn.Linear(4, 6)

    regressor = Regressor()
    found = groups_of(nn.Sequential(regressor, transformer()))
    assert set(found["base"]) == set(ids(regressor.parameters()))


def test_without_a_factor_the_regression_learns_as_the_localiser():
    _, localiser, regression = parameter_groups(transformer(), 0.5, 0.1)
    assert localiser["lr"] == regression["lr"]


def test_the_groups_learn_at_their_rates():
    model = nn.Sequential(transformer(), nn.Flatten(), nn.Linear(192, 2))
    before = [parameter.clone() for parameter in model.parameters()]
    model(image((8, 8))).square().sum().backward()
    torch.optim.SGD(parameter_groups(model, 0.01, 0.0)).step()
    moved = [not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True)]
    assert moved == [False, False, False, False, True, True]


def test_lazy_layers_are_grouped_after_their_first_input():
    model = SpatialTransformer(ConvLocaliser(1))
    model(torch.rand(1, 1, 28, 28))
    assert len(groups_of(model)["localiser"]) == 6
