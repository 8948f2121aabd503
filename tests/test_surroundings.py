"""Warps and modules among what else torch offers: dtypes and devices by default, tracing, `torch.func`, checkpoints."""

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, jvp, linearize, vmap
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

import unwarp
from support.generators import generator, image
from unwarp.errors import UnsupportedError
from unwarp.models import CNN
from unwarp.models.later_transformers import shared_st_cnn
from unwarp.nn import (
    ConvLocaliser,
    InverseCompositionalTransformer,
    ParallelSpatialTransformer,
    RecurrentSpatialTransformer,
    SpatialTransformer,
    parameter_groups,
)
from unwarp.transforms import TRANSFORMS, LearnedBasis, Similarity

SOURCE = image((28, 28), channels=1)
LATTICES = ["thin_plate_spline", "b_spline", "piecewise_affine", "learned_basis", "compose"]


@pytest.fixture
def default_dtype():
    before = torch.get_default_dtype()
    yield torch.set_default_dtype
    torch.set_default_dtype(before)


@pytest.mark.parametrize("name", LATTICES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_a_name_means_the_transform_that_would_be_made_now(name, dtype, default_dtype):
    default_dtype(dtype)
    unwarp.warp(torch.rand(1, 1, 8, 8), TRANSFORMS[name]().start()[None], name)
    default_dtype(torch.float32)
    own = TRANSFORMS[name]()
    theta = own.start()[None] + 0.1 * torch.randn(1, *own.theta_shape, generator=generator(0))
    assert torch.equal(unwarp.warp(SOURCE, theta, name), unwarp.warp(SOURCE, theta, own))


@pytest.mark.parametrize("name", [*LATTICES, "stationary_velocity", "flow", "affine"])
def test_another_default_device_does_not_reach_tensors_on_the_cpu(name):
    transform = TRANSFORMS[name]()
    theta = transform.start()[None].expand(len(SOURCE), *transform.theta_shape)
    with torch.device("meta"):
        warped = unwarp.warp(SOURCE, theta, transform)
    torch.testing.assert_close(warped, SOURCE)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning", "ignore:.*get_attr Node:UserWarning")
@pytest.mark.parametrize("name", TRANSFORMS)
def test_linearisations_are_those_of_forward_mode(name):
    short = {"diffeomorphic": {"stages": 2}, "stationary_velocity": {"squarings": 2}}  # the trace is long
    transform = TRANSFORMS[name](**short.get(name, {}))
    theta = transform.start() + 0.1 * torch.randn(transform.theta_shape, generator=generator(1))
    tangent = torch.randn(transform.theta_shape, generator=generator(2))
    grid = unwarp.make_grid((5, 5))

    def mapped(theta):
        return transform(theta[None], grid)

    def warped(theta):
        return unwarp.warp(SOURCE[:1], theta[None], transform)

    for function in (mapped, warped):
        expected = jvp(function, (theta,), (tangent,))[1]
        torch.testing.assert_close(linearize(function, theta)[1](tangent), expected, rtol=1e-4, atol=1e-4)


def test_gradients_of_each_image_through_a_classifier_of_grey_images():
    network = nn.Sequential(SpatialTransformer(ConvLocaliser(1, 28), "affine"), CNN((28, 28), width=8))
    weights = {name: one.detach() for name, one in network.named_parameters()}
    images = SOURCE[:1].repeat(2, 1, 1, 1) * torch.tensor([1.0, 0.5])[:, None, None, None]

    def loss(weights, one):
        return functional_call(network, weights, (one[None],)).square().sum()

    each = vmap(grad(loss), (None, 0))(weights, images)
    for index, one in enumerate(images):
        for name, expected in grad(loss)(weights, one).items():
            torch.testing.assert_close(each[name][index], expected, rtol=1e-3, atol=1e-4)


def test_gradients_of_each_image_through_glimpses():
    network = RecurrentSpatialTransformer(ConvLocaliser(1, 28), "affine", 9, hidden=8)
    weights = {name: one.detach() for name, one in network.named_parameters()}

    def loss(weights, one):
        return functional_call(network, weights, (one[None],)).square().sum()

    each = vmap(grad(loss), (None, 0))(weights, SOURCE)
    expected = grad(loss)(weights, SOURCE[1])
    torch.testing.assert_close(each["regression.bias"][1], expected["regression.bias"], rtol=1e-3, atol=1e-4)


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("name", ["thin_plate_spline", "compose", "affine", "b_spline"])
def test_traces_give_what_was_traced(name):
    network = nn.Sequential(SpatialTransformer(ConvLocaliser(1, 28), name), CNN((28, 28), width=4))
    traced = torch.jit.trace(network, SOURCE)
    other = SOURCE.flip(-1) / 2
    torch.testing.assert_close(traced(other), network(other), rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore:.*torch.jit:DeprecationWarning")
def test_a_trace_with_a_window_that_data_decide_is_refused():
    theta = Similarity().identity().expand(len(SOURCE), 4)
    with pytest.raises(UnsupportedError, match=r"torch.jit.trace.*antialias=8"):
        torch.jit.trace(lambda x, theta: unwarp.warp(x, theta, "similarity", antialias=True), (SOURCE, theta))


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore:.*torch.jit:DeprecationWarning")
def test_a_trace_with_a_given_largest_shrink():
    def warped(x, theta):
        return unwarp.warp(x, theta, "similarity", antialias=8.0)

    theta = torch.tensor([[3.0, 0.3, 0, 0]]).repeat(len(SOURCE), 1).requires_grad_()
    traced = torch.jit.trace(warped, (SOURCE, theta))
    other = torch.tensor([[2.0, -0.4, 0.1, 0]]).repeat(len(SOURCE), 1)
    torch.testing.assert_close(traced(SOURCE, other), warped(SOURCE, other))


def test_a_checkpoint_that_is_recomputed_elsewhere():
    transformer = SpatialTransformer(ConvLocaliser(1, 28), "thin_plate_spline")
    nn.init.normal_(transformer.regression.weight, std=0.1)
    with FlopCounterMode(display=False):
        output = checkpoint(transformer, SOURCE, use_reentrant=False)
    output.square().sum().backward()
    found = transformer.regression.weight.grad.clone()
    transformer.zero_grad()
    transformer(SOURCE).square().sum().backward()
    torch.testing.assert_close(found, transformer.regression.weight.grad)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_every_look_of_a_localiser_is_under_autocast(dtype):
    transformer = InverseCompositionalTransformer(ConvLocaliser(1, 28), "affine", steps=3)
    seen = []
    transformer.localiser.dense[0].register_forward_hook(lambda _module, _inputs, found: seen.append(found.dtype))
    with torch.autocast("cpu", dtype):
        transformer(SOURCE.to(dtype))
    assert seen == [dtype] * 3


class Adapted(nn.Module):
    """A dense layer with an adapter beside it, as libraries for fine-tuning put in its place."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer
        self.down, self.up = nn.Linear(layer.in_features, 2, bias=False), nn.Linear(2, layer.out_features, bias=False)

    def forward(self, x):
        return self.layer(x) + self.up(self.down(x))


@pytest.mark.parametrize(
    "make",
    [
        lambda: SpatialTransformer(ConvLocaliser(1, 28), "affine"),
        lambda: InverseCompositionalTransformer(ConvLocaliser(1, 28), "affine", steps=2),
        lambda: RecurrentSpatialTransformer(ConvLocaliser(1, 28), "affine", hidden=8),
        lambda: ParallelSpatialTransformer(ConvLocaliser(1, 28), "affine", count=2).branches[0],
    ],
)
def test_layers_that_were_replaced(make):
    module = make()
    owner = module.localiser.network if isinstance(module, RecurrentSpatialTransformer) else module.localiser
    expected = module(SOURCE)
    module.regression, owner.dense[0] = Adapted(module.regression), Adapted(owner.dense[0])
    for adapted in (module.regression, owner.dense[0]):
        nn.init.zeros_(adapted.up.weight)
    torch.testing.assert_close(module(SOURCE), expected)
    base, localiser, regression = parameter_groups(nn.Sequential(module, nn.Linear(28, 3)), 1.0, 0.1)
    assert len(base["params"]) == 2
    assert {id(one) for one in module.regression.parameters()} == {id(one) for one in regression["params"]}
    assert {id(one) for one in owner.dense[0].parameters()} <= {id(one) for one in localiser["params"]}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*quantiz")
def test_dense_layers_that_were_quantised():
    transformer = SpatialTransformer(ConvLocaliser(1, 28), "affine")
    small = torch.ao.quantization.quantize_dynamic(transformer, {nn.Linear})
    torch.testing.assert_close(small(SOURCE), SOURCE, rtol=0, atol=0.05)


def test_a_shared_layer_that_was_replaced_is_shared():
    network = shared_st_cnn((28, 28), width=4)
    assert isinstance(network.classifier.layers[3], nn.Conv2d)
    network.classifier.layers[3] = nn.Conv2d(4, 4, 7)
    network.bfloat16()
    network(SOURCE.bfloat16()).sum().backward()  # by the old layer the localiser would still be of float32


@pytest.mark.parametrize(
    ("make", "one", "other", "option"),
    [
        (lambda boxes: TRANSFORMS["diffeomorphic"](boxes), (2, 3), (3, 2), "tessellation"),
        (lambda boxes: TRANSFORMS["diffeomorphic"](boxes, zero_boundary=True), (2, 3), (3, 2), "tessellation"),
        (lambda control: LearnedBasis(2, control), (4, 8), (8, 4), "control"),
    ],
)
def test_weights_of_another_lattice_are_refused(make, one, other, option):
    transform = make(one)
    with pytest.raises(unwarp.errors.ShapeError, match=rf"{option}: .*{option}=\({other[0]}, {other[1]}\)"):
        transform.load_state_dict(make(other).state_dict())
    transform.load_state_dict(make(one).state_dict())
    earlier = {name: value for name, value in make(one).state_dict().items() if name != "lattice_counts"}
    nn.Sequential(transform).load_state_dict({f"0.{name}": value for name, value in earlier.items()})
