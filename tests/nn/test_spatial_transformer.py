"""The spatial transformer: starts as the identity, whatever it is made of, stays itself when copied, and learns."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn

import unwarp
from support.families import CASES, WITHOUT_IDENTITY, small
from support.generators import image, smooth_image
from unwarp.nn import ConvLocaliser, DenseLocaliser, SpatialTransformer
from unwarp.transforms import Affine, Rigid, ThinPlateSpline, Translation


def dense(pixels: int, **options) -> SpatialTransformer:
    return SpatialTransformer(DenseLocaliser(pixels, widths=(16,)), **options)


def shaken(transformer: SpatialTransformer) -> SpatialTransformer:
    """With weights such that theta depends on the input."""
    with torch.no_grad():
        for parameter in transformer.regression.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    return transformer


@pytest.mark.parametrize(("family", "ndim"), CASES)
def test_it_starts_as_the_identity(family, ndim):
    transform, source = small(family, ndim), image((9, 8, 7)[:ndim], dtype=torch.float64)
    transformer = SpatialTransformer(nn.Flatten(), transform, features=source[0].numel()).double()
    warped, theta = transformer(source, return_theta=True)
    assert torch.equal(warped, source) is (family not in WITHOUT_IDENTITY)
    assert torch.equal(theta[0], transform.start(dtype=torch.float64))
    warped.square().sum().backward()
    assert transformer.regression.bias.grad.abs().max() > 0, "nothing to learn from"


def test_a_name_is_a_transform_of_its_own_in_two_dimensions():
    first, second = dense(16, transform="thin_plate_spline"), dense(16, transform="thin_plate_spline")
    assert first.transform is not second.transform
    assert first.transform.ndim == 2


@pytest.mark.parametrize(("features", "pixels"), [(None, 0), (12, 12), (1, 1)])
def test_features_are_given_found_or_named_by_the_localiser(features, pixels):
    transformer = SpatialTransformer(nn.Sequential(nn.Flatten(), nn.LazyLinear(features or 5)), features=features)
    transformer(image((4, 4)))
    assert type(transformer.regression) is not nn.LazyLinear
    assert transformer.regression.in_features == (features or 5)
    assert SpatialTransformer(ConvLocaliser(1, 28)).regression.in_features == 20


def test_features_of_any_shape_are_flattened():
    transformer = SpatialTransformer(nn.Conv2d(3, 4, 3))
    assert torch.equal(transformer(image((5, 6))), image((5, 6)))
    assert transformer.regression.in_features == 4 * 3 * 4
    single = SpatialTransformer(nn.Sequential(nn.Flatten(0), nn.Unflatten(0, (2, 90)), _Mean()), features=1)
    assert torch.equal(single(image((5, 6))), image((5, 6)))


class _Mean(nn.Module):
    def forward(self, x):
        return x.mean(1)


def test_the_output_may_have_another_size():
    assert dense(3 * 8 * 8, size=(4, 6))(image((8, 8))).shape == (2, 3, 4, 6)
    assert dense(3 * 8 * 8, size=5)(image((8, 8))).shape == (2, 3, 5, 5)


def test_count_gives_several_warps_of_each_image():
    transformer = shaken(dense(3 * 8 * 8, size=(4, 6), count=3))
    warped, theta = transformer(image((8, 8)), return_theta=True)
    assert warped.shape == (2, 3, 3, 4, 6)
    assert theta.shape == (2, 3, 2, 3)
    one = unwarp.warp(image((8, 8)), theta[:, 1], "affine", (4, 6))
    torch.testing.assert_close(warped[:, 1], one)
    assert dense(3 * 8 * 8, count=1)(image((8, 8))).shape == (2, 1, 3, 8, 8)


def test_options_reach_the_sampler():
    options = {
        "mode": "nearest",
        "padding_mode": "fill",
        "fill_value": 7.0,
        "align_corners": True,
        "backend": "reference",
    }
    transformer = SpatialTransformer(nn.Flatten(), Affine(), (5, 5), features=36, **options)
    with torch.no_grad():
        transformer.regression.bias.mul_(1.7)
    source = image((6, 6), channels=1)
    expected = unwarp.warp(source, transformer.localise(source), "affine", (5, 5), **options)
    assert torch.equal(transformer(source), expected)
    assert (expected == 7).any()


def test_several_transformers_in_one_network_learn_on_their_own():
    network = nn.Sequential(dense(3 * 64), nn.Conv2d(3, 2, 3), dense(2 * 36, transform="translation", size=4))
    assert torch.equal(network[0](image((8, 8))), image((8, 8)))
    network(image((8, 8))).square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert network[0].regression.weight.grad.any()
    assert network[2].regression.weight.grad.any()


COPIES = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda module: pickle.loads(pickle.dumps(module)),
    "torch.save": lambda module: _saved(module, weights_only=False),
}


def _saved(value, *, weights_only=True):
    buffer = io.BytesIO()
    torch.save(value, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=weights_only)


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("family", ["affine", "thin_plate_spline", "flow"])
def test_a_copy_warps_alike_and_is_another(family, how):
    transformer = shaken(dense(3 * 64, transform=family))
    source = image((8, 8))
    expected = transformer(source)
    copied = COPIES[how](transformer)
    assert torch.equal(copied(source), expected)
    with torch.no_grad():
        copied.regression.bias += 1
    assert torch.equal(transformer(source), expected)


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_of_one_that_saw_no_input_yet(how):
    copied = COPIES[how](SpatialTransformer(ConvLocaliser(3)))
    assert torch.equal(copied(image((28, 30))), image((28, 30)))


def test_a_state_dict_brings_the_control_points():
    source = image((8, 8))
    moved = torch.rand(6, 2) * 2 - 1
    trained = shaken(dense(3 * 64, transform=ThinPlateSpline(moved)))
    fresh = dense(3 * 64, transform=ThinPlateSpline((2, 3)))
    assert torch.equal(fresh(source), source)  # fills the cache with the old basis
    fresh.load_state_dict(_saved(trained.state_dict()))
    assert torch.equal(fresh.transform.control, moved)
    assert torch.equal(fresh(source), trained(source))


def test_a_state_dict_fills_one_that_saw_no_input_yet():
    source = image((28, 28), channels=1)
    trained = SpatialTransformer(ConvLocaliser())
    trained(source)
    shaken(trained)
    fresh = SpatialTransformer(ConvLocaliser())
    fresh.load_state_dict(_saved(trained.state_dict()))
    assert torch.equal(fresh(source), trained(source))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("family", ["affine", "projective", "thin_plate_spline", "b_spline"])
def test_it_follows_to_another_dtype_and_stays_exact(family, dtype):
    transformer = dense(3 * 64, transform=family).to(dtype)
    source = image((8, 8), dtype=dtype)
    warped, theta = transformer(source, return_theta=True)
    assert warped.dtype == theta.dtype == dtype
    assert torch.equal(warped, source)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_runs_the_localiser_in_half_and_theta_in_float32(dtype):
    transformer = SpatialTransformer(ConvLocaliser(3, (28, 28)))
    seen = []
    transformer.localiser.register_forward_hook(lambda module, arguments, features: seen.append(features.dtype))
    with torch.autocast("cpu", dtype):
        warped, theta = transformer(image((28, 28)), return_theta=True)
    assert seen == [dtype]
    assert theta.dtype == torch.float32
    assert torch.equal(warped, image((28, 28)))


def test_channels_last_goes_in_and_the_same_comes_out():
    transformer = SpatialTransformer(ConvLocaliser(3, (28, 28))).to(memory_format=torch.channels_last)
    source = image((28, 28)).contiguous(memory_format=torch.channels_last)
    assert torch.equal(transformer(source), source)
    shaken(transformer)
    torch.testing.assert_close(transformer(source), transformer(source.contiguous()))


def test_it_has_shapes_on_the_meta_device():
    transformer = SpatialTransformer(ConvLocaliser(3, (28, 28)), "thin_plate_spline", (14, 14)).to("meta")
    assert transformer(torch.empty(2, 3, 28, 28, device="meta")).shape == (2, 3, 14, 14)
    with torch.device("meta"):
        made_there = SpatialTransformer(ConvLocaliser(3, (28, 28)), "thin_plate_spline", (14, 14))
        assert made_there(torch.empty(2, 3, 28, 28)).shape == (2, 3, 14, 14)


def test_it_compiles_to_one_graph():
    torch.compiler.reset()
    transformer = shaken(dense(3 * 64, transform="affine", count=2))
    compiled = torch.compile(transformer, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(image((8, 8))), transformer(image((8, 8))))


def test_a_basis_kept_in_inference_mode_serves_training():
    transformer = dense(3 * 64, transform="thin_plate_spline")
    with torch.inference_mode():
        transformer(image((8, 8)))
    transformer(image((8, 8))).sum().backward()
    assert transformer.regression.bias.grad.isfinite().all()


def test_its_text_names_what_it_is_made_of():
    text = repr(SpatialTransformer(nn.Flatten(), "rigid", (28, 28), features=4, count=2, padding_mode="border"))
    for part in ("size=(28, 28)", "count=2", "Rigid(ndim=2)", "padding_mode='border'", "Linear(in_features=4"):
        assert part in text


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(
    ("transform", "hidden"),
    [(Rigid(), [0.3, 0.1, -0.15]), (Translation(), [0.2, -0.15]), (Affine(), [[0.9, 0.2, 0.1], [-0.15, 1.1, -0.1]])],
)
def test_it_learns_to_undo_a_known_distortion(transform, hidden):
    """One smooth image and its distorted twin: the regression's bias alone must find the inverse of what was done."""
    source = smooth_image((32, 32), channels=3)
    hidden = torch.tensor(hidden)[None]
    distorted = unwarp.warp(source, hidden, transform, padding_mode="border")
    transformer = SpatialTransformer(nn.Flatten(), transform, features=3 * 32 * 32, padding_mode="border")
    optimiser = torch.optim.Adam([transformer.regression.bias], lr=0.02)
    for _ in range(150):
        optimiser.zero_grad()
        error = (transformer(distorted) - source)[..., 6:-6, 6:-6].square().mean()
        error.backward()
        optimiser.step()
    theta = transformer.localise(distorted)
    both = transform.compose(hidden, theta.detach())
    assert (both - transform.identity()).abs().max() < 0.02
    assert error < 1e-3


@pytest.mark.usefixtures("one_thread")
def test_it_learns_a_rotation_from_the_input():
    """The localiser sees images turned by different angles, and theta comes to turn each back."""
    upright = smooth_image((16, 16), channels=1, waves=2, seed=4)
    angles = torch.linspace(-0.6, 0.6, 16)[:, None]
    turned = unwarp.warp(upright, torch.cat([angles, torch.zeros(16, 2)], 1), "rigid", padding_mode="border")
    transformer = SpatialTransformer(DenseLocaliser(256), "rigid", padding_mode="border")
    optimiser = torch.optim.Adam(transformer.parameters(), lr=3e-3)
    for _ in range(200):
        optimiser.zero_grad()
        (transformer(turned) - upright)[..., 3:-3, 3:-3].square().mean().backward()
        optimiser.step()
    found = transformer.localise(turned)[:, :1]
    assert (found + angles).abs().max() < 0.1
