"""Graphs compute what the networks do, in another run time, for any batch."""

import onnx
import pytest
import torch
from torch import nn

from unwarp.errors import DataError, OptionError, UnsupportedError
from unwarp.export import check_onnx, export_onnx
from unwarp.export.grid_sampling import with_grid_sampling
from unwarp.export.older_opset import to_opset_16
from unwarp.nn import DenseLocaliser, InverseCompositionalTransformer, SpatialTransformer
from unwarp.transforms import TRANSFORMS, Affine, Attention, Bounded, Compose, Diffeomorphic, Rigid, StationaryVelocity

SIZE = (20, 24)
IMAGES = torch.rand(3, 1, *SIZE, generator=torch.Generator().manual_seed(0))


class WithTheta(nn.Module):
    def __init__(self, transformer):
        super().__init__()
        self.transformer = transformer

    def forward(self, images):
        return self.transformer(images, return_theta=True)


def network(transform, size=(14, 10), *, kind=SpatialTransformer, strength=0.1, **options):
    """A transformer whose theta depends on the image and differs from the identity."""
    torch.manual_seed(0)
    transformer = kind(DenseLocaliser(20 * 24, widths=(8,)), transform, size, **options)
    nn.init.normal_(transformer.regression.weight, std=strength)
    return WithTheta(transformer).eval()


def ops(path):
    return {node.op_type for node in onnx.load(path).graph.node}


def assert_agrees(model, path, opset, *, images=IMAGES):
    export_onnx(model, images[:1], path, outputs=("straight", "theta"), opset=opset)
    (version,) = [entry.version for entry in onnx.load(path).opset_import if entry.domain == ""]
    assert version == opset
    theta = model(images)[1]
    assert (theta - theta[:1]).abs().max() > 1e-3, "the images must be warped differently"
    for batch in (1, len(images), 7):
        check_onnx(model, path, images[torch.arange(batch) % len(images)])


# More stages and squarings repeat the same graph, which takes minutes to write.
SHORT = {"diffeomorphic": Diffeomorphic((1, 1), stages=2), "stationary_velocity": StationaryVelocity(squarings=1)}
OTHER_ROUTES = ("affine", "projective", "thin_plate_spline", "piecewise_affine", "inverse")
"""What opset 16 has no op for, or 18 has with other attributes."""


@pytest.mark.parametrize("transform", list(TRANSFORMS))
def test_every_transform(tmp_path, transform):
    assert_agrees(network(SHORT.get(transform, transform)), tmp_path / "graph.onnx", 20)
    assert "GridSample" in ops(tmp_path / "graph.onnx")


@pytest.mark.parametrize("transform", OTHER_ROUTES)
def test_older_run_times(tmp_path, transform):
    assert_agrees(network(transform), tmp_path / "graph.onnx", 16)
    assert "GridSample" in ops(tmp_path / "graph.onnx")


@pytest.mark.parametrize("transform", [Affine(), Bounded(Affine()), Compose(Rigid(), Attention())])
def test_affine_families_use_the_op_for_their_grid(tmp_path, transform):
    assert_agrees(network(transform), tmp_path / "graph.onnx", 20)
    assert {"AffineGrid", "GridSample"} <= ops(tmp_path / "graph.onnx")


@pytest.mark.parametrize(
    ("mode", "padding_mode", "align_corners"),
    [
        ("nearest", "zeros", False),
        ("nearest", "reflection", True),
        ("bilinear", "border", True),
        ("bilinear", "reflection", False),
        ("bicubic", "zeros", True),
        ("bicubic", "border", False),
    ],
)
def test_options_that_the_op_knows(tmp_path, mode, padding_mode, align_corners):
    options = {"mode": mode, "padding_mode": padding_mode, "align_corners": align_corners}
    assert_agrees(network("affine", strength=0.3, **options), tmp_path / "graph.onnx", 20)
    assert "GridSample" in ops(tmp_path / "graph.onnx")


@pytest.mark.parametrize("options", [{"padding_mode": "circular"}, {"mode": "lanczos3"}, {"antialias": 3.0}])
def test_options_that_the_op_does_not_know_become_arithmetic(tmp_path, options):
    assert_agrees(network("affine", **options), tmp_path / "graph.onnx", 20)
    assert "GridSample" not in ops(tmp_path / "graph.onnx")


def test_several_steps_and_several_warps(tmp_path):
    steps = network("projective", kind=InverseCompositionalTransformer, steps=2)
    assert_agrees(steps, tmp_path / "steps.onnx", 20)
    assert_agrees(network("affine", count=2), tmp_path / "count.onnx", 20)


def test_maps_beyond_the_horizon_and_far_outside_agree(tmp_path):
    assert_agrees(network("projective", strength=1.0), tmp_path / "graph.onnx", 20)
    model = network("affine", strength=0.0)
    model.transformer.regression.weight.data.fill_(1e30)
    export_onnx(model, IMAGES[:1], tmp_path / "far.onnx", outputs=("straight", "theta"))
    assert model(IMAGES)[0].abs().max() == 0
    check_onnx(model, tmp_path / "far.onnx", IMAGES)


def test_the_network_itself_is_left_as_it_is(tmp_path):
    model = network("affine")
    before = model(IMAGES)[0]
    copied = with_grid_sampling(model)
    assert copied.transformer.sampler is not model.transformer.sampler
    torch.testing.assert_close(copied(IMAGES)[0], before, atol=1e-5, rtol=0)
    assert type(model.transformer.sampler).__name__ == "Sampler"


def test_a_graph_of_another_network_is_found_out(tmp_path):
    model = network("affine")
    export_onnx(model, IMAGES[:1], tmp_path / "graph.onnx", outputs=("straight", "theta"))
    with torch.no_grad():
        model.transformer.regression.bias += 0.01
    with pytest.raises(DataError, match="agree with the network"):
        check_onnx(model, tmp_path / "graph.onnx", IMAGES)
    with pytest.raises(DataError, match="outputs of the shapes"):
        check_onnx(model.transformer, tmp_path / "graph.onnx", IMAGES)


def test_other_opsets_are_refused(tmp_path):
    with pytest.raises(OptionError, match="opset: expected one of 20, 16, got 11"):
        export_onnx(network("affine"), IMAGES[:1], tmp_path / "graph.onnx", opset=11)


def test_what_opset_16_does_not_know_is_named(tmp_path):
    normalised = nn.Sequential(nn.LayerNorm(24))
    export_onnx(normalised, IMAGES[:1], tmp_path / "graph.onnx")
    assert "LayerNormalization" in ops(tmp_path / "graph.onnx")
    with pytest.raises(UnsupportedError, match="16 has no LayerNormalization"):
        to_opset_16(onnx.load(tmp_path / "graph.onnx"))
