"""Several warps of one input: shared and own localisers, how results are joined, and where they start."""

import pytest
import torch
from torch import nn

import unwarp
from support.generators import image, smooth_image
from unwarp.errors import OptionError, UnsupportedError
from unwarp.nn import (
    ConvLocaliser,
    DenseLocaliser,
    ParallelSpatialTransformer,
    SpatialTransformer,
    parameter_groups,
    tile_thetas,
)
from unwarp.transforms import Affine, Attention, Projective, Similarity, ThinPlateSpline, create

SOURCE = image((28, 28))


def shared(**options) -> ParallelSpatialTransformer:
    return ParallelSpatialTransformer(ConvLocaliser(3, 28), **{"count": 2, **options})


def own(**options) -> ParallelSpatialTransformer:
    return ParallelSpatialTransformer([ConvLocaliser(3, 28), DenseLocaliser(3 * 784)], **options)


def shaken(module: nn.Module) -> nn.Module:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    return module


@pytest.mark.parametrize("make", [shared, own])
def test_it_starts_as_copies_of_the_input(make):
    assert torch.equal(make()(SOURCE), torch.cat([SOURCE, SOURCE], 1))
    assert torch.equal(make(join="stacked")(SOURCE), torch.stack([SOURCE, SOURCE], 1))


@pytest.mark.parametrize("make", [shared, own])
@pytest.mark.parametrize("transform", ["affine", "thin_plate_spline"])
def test_each_warp_is_by_its_theta(make, transform):
    transformer = shaken(make(transform=transform, size=(14, 12), join="stacked", padding_mode="border"))
    warped, theta = transformer(SOURCE, return_theta=True)
    assert warped.shape == (2, 2, 3, 14, 12)
    assert not torch.equal(theta[:, 0], theta[:, 1])
    for index in range(2):
        alone = unwarp.warp(SOURCE, theta[:, index], transform, (14, 12), padding_mode="border")
        torch.testing.assert_close(warped[:, index], alone)
    transformer.join = "concatenated"
    assert torch.equal(transformer(SOURCE), warped.flatten(1, 2))


def test_own_localisers_see_the_input_apart():
    transformer = shaken(own())
    theta = transformer.localise(SOURCE)
    with torch.no_grad():
        transformer.branches[1].regression.bias += 1
    moved = transformer.localise(SOURCE)
    assert torch.equal(moved[:, 0], theta[:, 0])
    torch.testing.assert_close(moved[:, 1], theta[:, 1] + 1)


def test_a_module_list_is_a_sequence_and_a_sequential_a_network():
    listed = ParallelSpatialTransformer(nn.ModuleList([DenseLocaliser(2352), DenseLocaliser(2352)]))
    assert listed.count == len(listed.branches) == 2
    network = nn.Sequential(nn.Flatten(), nn.Linear(2352, 4))
    single = ParallelSpatialTransformer(network, count=3, features=4)
    assert (single.count, len(single.branches)) == (3, 1)


@pytest.mark.parametrize("transform", [Attention(), Similarity(), Affine(), Projective(), ThinPlateSpline()])
def test_tiles_share_the_image(transform):
    points = unwarp.make_grid((2, 2))
    mapped = transform(tile_thetas(transform, (2, 2)), points)
    centres = torch.tensor([[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5], [0.5, 0.5]])
    torch.testing.assert_close(mapped, centres[:, None, None] + 0.5 * points)


@pytest.mark.parametrize("transform", ["attention", "thin_plate_spline"])
def test_tiles_are_made_without_values_too(transform):
    with torch.device("meta"):
        made = ParallelSpatialTransformer(ConvLocaliser(1, 28), transform, 14, tiles=(2, 2))
        assert made(torch.empty(3, 1, 28, 28)).shape == (3, 4, 14, 14)


def test_two_tiles_are_those_of_the_birds_experiment():
    expected = torch.tensor([[[0.5, 0, -0.5], [0, 0.5, 0]], [[0.5, 0, 0.5], [0, 0.5, 0]]])
    assert torch.equal(tile_thetas(Affine(), (1, 2)), expected)
    assert tile_thetas(Attention(3), (1, 2, 3)).shape == (6, 4)


@pytest.mark.parametrize("make", [shared, own])
def test_a_transformer_starts_from_its_tiles(make):
    source = smooth_image((28, 28), batch=2, channels=3)
    transformer = make(transform="attention", size=14, tiles=(1, 2), join="stacked")
    warped, theta = transformer(source, return_theta=True)
    assert torch.equal(theta, tile_thetas(Attention(), (1, 2)).expand(2, 2, 3))
    assert torch.equal(warped[:, 0], source[..., 7:21, :14])
    assert torch.equal(warped[:, 1], source[..., 7:21, 14:])


def test_tiles_also_start_a_localiser_whose_features_are_not_known_yet():
    transformer = ParallelSpatialTransformer(nn.Flatten(), "affine", tiles=(2, 2))
    assert torch.equal(transformer.localise(SOURCE), tile_thetas(Affine(), (2, 2)).expand(2, 4, 2, 3))


@pytest.mark.parametrize("family", ["translation", "rigid", "flow", "diffeomorphic", "polar", "compose"])
def test_families_without_crops_are_refused(family):
    with pytest.raises(UnsupportedError, match=r"tiles: .* cannot crop"):
        tile_thetas(create(family, 2), (1, 2))


@pytest.mark.parametrize("tiles", [(2,), (0, 2), (1, 2, 3), ()])
def test_tiles_are_counts_of_each_dimension(tiles):
    with pytest.raises(OptionError, match="tiles: expected 2 positive counts"):
        tile_thetas(Affine(), tiles)


@pytest.mark.parametrize(
    ("localiser", "options"),
    [
        (nn.Flatten(), {}),
        ([], {}),
        (nn.Flatten(), {"count": 3, "tiles": (1, 2)}),
        ([nn.Flatten(), nn.Flatten()], {"count": 3}),
        ([nn.Flatten()], {"tiles": (1, 2)}),
    ],
)
def test_counts_must_agree(localiser, options):
    with pytest.raises(OptionError, match="count: expected one number of warps"):
        ParallelSpatialTransformer(localiser, **options)


def test_joins_are_two():
    with pytest.raises(OptionError, match="join: expected one of concatenated, stacked, got 'stack'. Did you mean"):
        shared(join="stack")


@pytest.mark.parametrize("make", [shared, own])
def test_the_optimiser_groups_know_its_localisers(make):
    groups = {group["name"]: group["params"] for group in parameter_groups(make(), 1.0, 0.1)}
    assert groups["base"] == []
    assert len(groups["regression"]) == 2 * (1 if make is shared else 2)


def test_its_text_names_what_it_is_made_of():
    assert "count=2, join='concatenated'" in repr(shared())


def test_transformers_at_increasing_depth_learn_together():
    """The paper's ST-CNN Multi: a transformer before each of several convolutions."""
    network = nn.Sequential(
        SpatialTransformer(ConvLocaliser(3, 28), "affine"),
        nn.Conv2d(3, 4, 5),
        SpatialTransformer(DenseLocaliser(4 * 576, widths=(32, 32)), "affine"),
        nn.Conv2d(4, 6, 5),
        SpatialTransformer(DenseLocaliser(6 * 400, widths=(32, 32)), "translation"),
        nn.Flatten(),
        nn.Linear(6 * 400, 3),
    )
    plain = nn.Sequential(*(layer for layer in network if not isinstance(layer, SpatialTransformer)))
    assert torch.equal(network(SOURCE), plain(SOURCE))
    network(SOURCE).square().sum().backward()
    for transformer in (network[0], network[2], network[4]):
        assert transformer.regression.weight.grad.any()
    groups = {group["name"]: group["params"] for group in parameter_groups(network, 1.0, 0.1)}
    assert len(groups["regression"]) == 6
    assert len(groups["base"]) == 6
