"""Graphs compute what the networks do, in another run time, for any batch."""

import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from unwarp.errors import DataError, OptionError, UnsupportedError
from unwarp.export import check_onnx, export_onnx
from unwarp.export.grid_sampling import with_grid_sampling
from unwarp.export.older_opset import to_opset_16
from unwarp.kernels import Cubic
from unwarp.nn import (
    AbstractSpatialTransformer,
    DenseLocaliser,
    InverseCompositionalTransformer,
    LinearisedSampler,
    Sampler,
    SpatialTransformer,
)
from unwarp.transforms import TRANSFORMS, Affine, Attention, Bounded, Compose, Diffeomorphic, Rigid, StationaryVelocity

pytestmark = pytest.mark.timeout(400)  # seconds on a quiet machine; a shared one takes its time to write graphs

SIZE = (20, 24)
IMAGES = torch.rand(3, 1, *SIZE, generator=torch.Generator().manual_seed(0))


class Together(nn.Module):
    """Several transformers on the same images: one graph for all of them takes a tenth of the time."""

    def __init__(self, transformers):
        super().__init__()
        self.transformers = nn.ModuleList(transformers)

    def forward(self, images):
        return tuple(result for one in self.transformers for result in one(images, return_theta=True))


def transformer(transform, size=(14, 10), *, kind=SpatialTransformer, strength=0.1, **options):
    """Its theta depends on the image and differs from the identity."""
    made = kind(DenseLocaliser(20 * 24, widths=(8,)), transform, size, **options)
    nn.init.normal_(made.regression.weight, std=strength)
    return made


def network(*transforms, **options):
    torch.manual_seed(0)
    made = [one if isinstance(one, AbstractSpatialTransformer) else transformer(one, **options) for one in transforms]
    return Together(made).eval()


def ops(path):
    return [node.op_type for node in onnx.load(path).graph.node]


def exported(model, path, opset=20):
    names = [f"{name}_{index}" for index in range(len(model.transformers)) for name in ("straight", "theta")]
    return export_onnx(model, IMAGES[:1], path, outputs=names, opset=opset)


def assert_agrees(model, path, opset=20):
    exported(model, path, opset)
    (version,) = [entry.version for entry in onnx.load(path).opset_import if entry.domain == ""]
    assert version == opset
    for theta in model(IMAGES)[1::2]:
        assert (theta - theta[:1]).abs().max() > 1e-3, "the images must be warped differently"
    for batch in (1, len(IMAGES), 7):
        check_onnx(model, path, IMAGES[torch.arange(batch) % len(IMAGES)])


# More squarings repeat the same graph, which takes longer to write.
SHORT = {"stationary_velocity": StationaryVelocity(squarings=1)}


def test_every_transform(tmp_path):
    assert_agrees(network(*(SHORT.get(name, name) for name in TRANSFORMS)), tmp_path / "graph.onnx")
    assert ops(tmp_path / "graph.onnx").count("GridSample") == len(TRANSFORMS)


def test_older_run_times(tmp_path):
    """What opset 16 has no op for, or 18 has with other attributes."""
    names = ("affine", "projective", "thin_plate_spline", "piecewise_affine", "inverse", "diffeomorphic")
    assert_agrees(network(*names), tmp_path / "graph.onnx", 16)
    assert ops(tmp_path / "graph.onnx").count("GridSample") == len(names)


def test_the_stages_of_a_diffeomorphism_are_a_loop(tmp_path):
    """That ends when all particles have arrived, or after as many stages as the transform has."""
    for stages in (1, 2, 16):
        model = network(Diffeomorphic((2, 2), stages=stages))
        exported(model, tmp_path / "graph.onnx")
        if stages != 2:  # particles that start between two simplices may take either, and stop where they are too early
            check_onnx(model, tmp_path / "graph.onnx", IMAGES)
        assert ops(tmp_path / "graph.onnx").count("Loop") == 1
        assert len(ops(tmp_path / "graph.onnx")) < 300


def test_affine_families_use_the_op_for_their_grid(tmp_path):
    model = network(Affine(), Bounded(Affine()), Compose(Rigid(), Attention()))
    assert_agrees(model, tmp_path / "graph.onnx")
    assert ops(tmp_path / "graph.onnx").count("AffineGrid") == 3


def test_options_that_the_op_knows(tmp_path):
    torch.manual_seed(0)
    options = [
        ("nearest", "zeros", False),
        ("nearest", "reflection", True),
        ("bilinear", "border", True),
        ("bilinear", "reflection", False),
        ("bicubic", "zeros", True),
        ("bicubic", "border", False),
    ]
    made = [
        transformer("affine", strength=0.3, mode=mode, padding_mode=padding, align_corners=aligned)
        for mode, padding, aligned in options
    ]
    assert_agrees(network(*made), tmp_path / "graph.onnx")
    assert ops(tmp_path / "graph.onnx").count("GridSample") == len(options)


def test_options_that_the_op_does_not_know_become_arithmetic(tmp_path):
    torch.manual_seed(0)
    options = ({"padding_mode": "circular"}, {"mode": Cubic(-0.5)}, {"antialias": 2.0})
    assert_agrees(network(*(transformer("affine", (7, 5), **one) for one in options)), tmp_path / "graph.onnx")
    assert "GridSample" not in ops(tmp_path / "graph.onnx")


def test_several_steps_and_several_warps(tmp_path):
    torch.manual_seed(0)
    steps = transformer("projective", kind=InverseCompositionalTransformer, steps=2)
    assert_agrees(network(steps, transformer("affine", count=2)), tmp_path / "graph.onnx")


def test_maps_beyond_the_horizon_and_far_outside_agree(tmp_path):
    torch.manual_seed(0)
    tilted, far = transformer("projective", strength=0.5), transformer("affine")
    far.regression.bias.data[2] = 1e30
    model = network(tilted, far)
    behind = tilted.transform.matrix(model(IMAGES)[1])[:, 2]
    assert (behind[:, :2].abs().sum(-1) > behind[:, 2]).any(), "the horizon must cross an image"
    assert model(IMAGES)[2].abs().max() == 0
    exported(model, tmp_path / "graph.onnx")
    check_onnx(model, tmp_path / "graph.onnx", IMAGES)


@pytest.mark.parametrize(
    ("family", "padding_mode", "bias"),
    [
        ("projective", "border", (1, 0, 0, 0, 1, 0, 1.5, 0)),  # the horizon crosses the image
        ("projective", "reflection", (1, 0, 0, 0, 1, 0, 1.5, 0)),
        ("affine", "border", (3e7, 0, 0, 0, 3e7, 0)),
    ],
)
def test_far_positions_keep_the_weights_of_an_even_picture(family, padding_mode, bias, tmp_path):
    """Every warp of an even picture is even, wherever it is sampled, where nothing is padded with zeros."""
    made = SpatialTransformer(DenseLocaliser(64 * 64, widths=(8,)), family, padding_mode=padding_mode).eval()
    made.regression.bias.data.copy_(torch.tensor(bias))
    even = torch.full((2, 1, 64, 64), 0.5)
    path = export_onnx(made, even[:1], tmp_path / "graph.onnx")
    (found,) = onnxruntime.InferenceSession(str(path)).run(None, {"images": even.numpy()})
    assert abs(found - 0.5).max() < 1e-6


@pytest.mark.parametrize("family", ["affine", "thin_plate_spline"])
def test_positions_of_half_precision_networks_are_not_rounded(family, tmp_path):
    torch.manual_seed(0)
    made = SpatialTransformer(DenseLocaliser(40 * 400, widths=(8,)), family, (40, 400))
    nn.init.normal_(made.regression.weight, std=0.02)
    wave = torch.linspace(0, 40, 400).sin().expand(2, 1, 40, 400).half()
    model = made.half().eval()
    path = export_onnx(model, wave[:1], tmp_path / "graph.onnx")
    (found,) = onnxruntime.InferenceSession(str(path)).run(None, {"images": wave.numpy()})
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(found), model(wave), atol=2e-3, rtol=0)


def test_the_network_itself_is_left_as_it_is():
    model = network("affine")
    copied = with_grid_sampling(model)
    assert copied.transformers[0].sampler is not model.transformers[0].sampler
    torch.testing.assert_close(copied(IMAGES)[0], model(IMAGES)[0], atol=1e-5, rtol=0)
    assert type(model.transformers[0].sampler).__name__ == "Sampler"


def test_a_graph_of_another_network_is_found_out(tmp_path):
    model = network("affine")
    exported(model, tmp_path / "graph.onnx")
    with torch.no_grad():
        model.transformers[0].regression.bias += 0.01
    with pytest.raises(DataError, match="agree with the network"):
        check_onnx(model, tmp_path / "graph.onnx", IMAGES)
    with pytest.raises(DataError, match="outputs of the shapes"):
        check_onnx(model.transformers[0], tmp_path / "graph.onnx", IMAGES)


def test_other_opsets_are_refused(tmp_path):
    with pytest.raises(OptionError, match="opset: expected one of 20, 16, got 11"):
        export_onnx(network("affine"), IMAGES[:1], tmp_path / "graph.onnx", opset=11)


def test_what_opset_16_does_not_know_is_named(tmp_path):
    normalised = nn.Sequential(nn.LayerNorm(24))
    export_onnx(normalised, IMAGES[:1], tmp_path / "graph.onnx")
    assert "LayerNormalization" in ops(tmp_path / "graph.onnx")
    with pytest.raises(UnsupportedError, match="16 has no LayerNormalization"):
        to_opset_16(onnx.load(tmp_path / "graph.onnx"))


class Fixed(nn.Module):
    """One picture for any batch of thetas, one theta for any batch of pictures, and a family by name."""

    def __init__(self):
        super().__init__()
        self.sampler = Sampler(padding_mode="border")
        self.localise = nn.Linear(20 * 24, 6)
        self.register_buffer("picture", torch.rand(1, 1, 9, 8))
        self.register_buffer("turn", torch.tensor([[[0.9, -0.2, 0.1], [0.2, 0.9, 0.0]]]))

    def forward(self, images):
        theta = torch.eye(2, 3) + 0.1 * self.localise(images.flatten(1)).view(-1, 2, 3)
        return self.sampler.warp(self.picture, theta, "affine", None), self.sampler.warp(images, self.turn, Affine(), 7)


def test_samplers_serve_batches_of_one_and_names(tmp_path):
    model = Fixed().eval()
    check_onnx(model, export_onnx(model, IMAGES[:2], str(tmp_path / "net.onnx"), outputs=("one", "two")), IMAGES)


def test_a_linearised_sampler_is_exported_as_the_one_in_it(tmp_path):
    made = transformer("affine").eval()
    made.sampler = LinearisedSampler(made.sampler)
    exported = export_onnx(made, IMAGES[:1], tmp_path / "net.onnx")
    check_onnx(made, exported, IMAGES)


def test_nan_in_any_output_is_no_agreement(tmp_path):
    class Undefined(nn.Module):
        def forward(self, images):
            return images + 1, images * torch.nan

    model = Undefined().eval()
    path = export_onnx(model, IMAGES[:1], tmp_path / "net.onnx", outputs=("one", "two"))
    with pytest.raises(DataError, match="got nan"):
        check_onnx(model, path, IMAGES)


def test_a_full_disk_leaves_the_graph_that_was_there(tmp_path, monkeypatch):
    def fill(path, content):
        path.touch()
        raise OSError(28, "No space left on device")

    path = tmp_path / "graph.onnx"
    path.write_text("before")
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.write_bytes", fill)
        with pytest.raises(OSError, match="No space left"):
            export_onnx(nn.Flatten(), IMAGES[:1], path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
