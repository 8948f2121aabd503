"""Glimpses one after another."""

import pytest
import torch
from torch import nn

import unwarp
from support.generators import image
from unwarp.errors import OptionError, ShapeError
from unwarp.nn import ConvLocaliser, DenseLocaliser, RecurrentSpatialTransformer, parameter_groups

SOURCE = image((16, 16))


def transformer(*, shift=0.0, **options) -> RecurrentSpatialTransformer:
    made = RecurrentSpatialTransformer(DenseLocaliser(3 * 256, widths=(8,)), **{"hidden": 6, **options})
    with torch.no_grad():
        for parameter in made.regression.parameters():
            parameter += shift * torch.randn_like(parameter)
    return made


@pytest.mark.parametrize("family", ["affine", "attention", "thin_plate_spline"])
def test_every_glimpse_starts_as_the_input(family):
    glimpses = transformer(transform=family, steps=4)(SOURCE)
    assert torch.equal(glimpses, SOURCE[:, None].expand(2, 4, 3, 16, 16))


def test_a_glimpse_is_the_warp_by_its_theta_and_theta_comes_from_the_state():
    made = transformer(shift=0.1, size=8, steps=3, padding_mode="border")
    glimpses, theta = made(SOURCE, return_theta=True)
    assert glimpses.shape == (2, 3, 3, 8, 8)
    state, features = None, made.localiser.network(SOURCE)
    for step in range(3):
        state = made.localiser.cell(features, state)
        expected = made.regression(state).view(2, 2, 3)
        torch.testing.assert_close(theta[:, step], expected)
        alone = unwarp.warp(SOURCE, expected, "affine", 8, padding_mode="border")
        torch.testing.assert_close(glimpses[:, step], alone)
    assert not torch.equal(theta[:, 0], theta[:, 1])


@pytest.mark.usefixtures("one_thread")
def test_it_learns_a_different_theta_for_each_step():
    """Which glimpse is to see which quarter is told by the order alone: what a network without a state cannot do."""
    made = transformer(transform="attention", size=8, steps=2, hidden=16)
    source = image((16, 16), batch=1)
    left = unwarp.warp(source, torch.tensor([[[0.5, -0.5, 0.0], [0.5, 0.5, 0.0]]]), "attention", 8)
    wanted = torch.tensor([[0.5, -0.5, 0.0], [0.5, 0.5, 0.0]])
    optimiser = torch.optim.Adam(made.parameters(), lr=0.02)
    for _ in range(150):
        optimiser.zero_grad()
        (made.localise(source) - wanted).square().sum().backward()
        optimiser.step()
    torch.testing.assert_close(made(source), left, atol=0.02, rtol=0)


def test_the_number_of_features_must_be_known():
    with pytest.raises(OptionError, match="features: expected the number that the localiser returns, got None"):
        RecurrentSpatialTransformer(nn.Flatten())
    assert RecurrentSpatialTransformer(nn.Flatten(), features=768)(SOURCE).shape == (2, 3, 3, 16, 16)
    assert RecurrentSpatialTransformer(ConvLocaliser(3, 28)).localiser.cell.input_size == 20
    with pytest.raises(ShapeError, match="localiser: expected 5 features an image, got 768"):
        RecurrentSpatialTransformer(nn.Flatten(), features=5)(SOURCE)


@pytest.mark.parametrize("option", ["steps", "hidden"])
def test_counts_are_positive(option):
    with pytest.raises(OptionError, match=f"{option}: expected a positive integer, got 0"):
        transformer(**{option: 0})


def test_the_state_belongs_to_the_localiser_for_the_optimiser():
    made = transformer()
    groups = {group["name"]: group["params"] for group in parameter_groups(made, 1.0, 0.1)}
    assert groups["base"] == []
    assert len(groups["localiser"]) == 2 + 4
    made(SOURCE).sum().backward()


def test_it_compiles_to_one_graph():
    torch.compiler.reset()
    made = transformer(shift=0.05)
    compiled = torch.compile(made, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(SOURCE), made(SOURCE))


def test_its_text_names_its_steps():
    assert "steps=3" in repr(transformer())
