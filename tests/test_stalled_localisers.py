"""Ways in which a localiser stops learning while theta is still far from where it should be, and what moves it again.

Those in which theta runs away are in test_training_failures.py.
"""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import unwarp
from support.generators import generator, image, smooth_image
from support.short_training import error, steps, turned_images
from unwarp.nn import DenseLocaliser, SpatialTransformer, parameter_groups
from unwarp.training.collapse import look


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def turned_back(seed, *, negative_slope):
    """How much theta differs between images, the localiser's gradient and the worst angle, after 150 steps."""
    upright, angles, turned = turned_images()
    upright, turned = upright + 1, turned + 1  # bright, not centred: one step moves all units to the same side
    torch.manual_seed(seed)
    localiser = DenseLocaliser(256, widths=(32,), negative_slope=negative_slope)
    transformer = SpatialTransformer(localiser, "rigid", padding_mode="border")
    optimiser = torch.optim.Adam(parameter_groups(transformer, 0.01, 1.0))
    steps(150, optimiser, lambda: F.mse_loss(transformer(turned), upright.expand_as(turned)))
    theta = transformer.localise(turned).detach()
    gradient = localiser.layers[1].weight.grad.norm().item()
    return look(theta, transformer.transform).spread, gradient, (theta[:, :1] + angles).abs().max().item()


def test_a_high_rate_kills_plain_rectifiers_for_good_and_not_leaky_ones():
    """All images get one theta. SpatialTransformerLayer 17, an ST-CNN at 2.39 % instead of 0.7 %, names no cause; this
    is one that was seen here (docs/reproduction.md: plain rectifiers halve what theta tells of a digit's angle).
    """
    plain = [turned_back(seed, negative_slope=0.0) for seed in range(6)]
    dead = [(spread, gradient) for spread, gradient, _ in plain if spread == 0]
    assert len(dead) >= 2, plain
    assert all(gradient == 0 for _, gradient in dead), "no gradient: they do not wake up"
    assert max(missed for _, _, missed in plain) > 0.5
    leaky = [turned_back(seed, negative_slope=0.1) for seed in range(6)]
    assert all(gradient > 0 for _, gradient, _ in leaky)
    assert max(missed for _, _, missed in leaky) < 0.15, leaky


def turned_patterns(count, *, seed, classes=5, size=16):
    """Noisy patterns, turned by up to 1.2: ``(images, labels, angles)``."""
    upright = torch.cat([smooth_image((size, size), waves=4, seed=label) for label in range(classes)])
    upright = upright * torch.exp(-unwarp.make_grid((size, size)).square().sum(-1))
    drawn, labels = generator(seed), torch.arange(count) % classes
    angles = 1.2 * (2 * torch.rand(count, 1, generator=drawn) - 1)
    turned = unwarp.warp(upright[labels], torch.cat([angles, torch.zeros(count, 2)], 1), "rigid", padding_mode="border")
    return turned + 0.3 * torch.randn(turned.shape, generator=drawn), labels, angles


def new_network(seed, transformer=None):
    torch.manual_seed(seed)
    made = SpatialTransformer(DenseLocaliser(256), "rigid", padding_mode="border")
    if transformer is not None:
        made.load_state_dict(transformer.state_dict())
    return nn.Sequential(made, nn.Flatten(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 5))


def fit(network, images, labels, *, count, seed):
    optimiser = torch.optim.Adam(parameter_groups(network, 3e-3, 0.3, regression_lr_scale=4.0))
    drawn = generator(seed)

    def loss():
        batch = torch.randint(len(images), (32,), generator=drawn)
        return F.cross_entropy(network(images[batch]), labels[batch])

    steps(count, optimiser, loss)
    return network


def turn_left(network, images, labels, angles):
    """Which part of the turn is still there behind the transformer: each class has an angle of its own to turn to."""
    with torch.no_grad():
        found = network[0].localise(images)[:, :1] + angles
    within = torch.stack([found[labels == label].var() for label in labels.unique()])
    return (within.mean().sqrt() / angles.std()).item()


def test_a_localiser_goes_on_when_its_classifier_begins_anew():
    """A classifier that has learned turned images by heart asks nothing more of the transformer. Bartzi/see 10, 17 and
    53 start again with the localiser's weights and without the classifier's. It is the localiser that is asked
    here: this toy is recognised well without it.
    """
    images, labels, _ = turned_patterns(200, seed=0)
    unseen = turned_patterns(500, seed=1)
    settled = fit(new_network(0), images, labels, count=60, seed=0)
    assert error(settled(images), labels) == 0
    assert turn_left(settled, *unseen) > 0.9
    kept = settled
    for restart in range(1, 7):
        kept = fit(new_network(restart, kept[0]), images, labels, count=60, seed=restart)
    fresh = fit(new_network(6), images, labels, count=60, seed=6)
    continued = fit(settled, images, labels, count=360, seed=1)
    assert turn_left(continued, *unseen) > 0.9
    assert turn_left(fresh, *unseen) > 0.9
    assert turn_left(kept, *unseen) < 0.85


def test_scaled_gradients_do_nothing_to_adam_and_groups_do():
    """Tensorpack's example multiplies the transformer's gradient by 0.1 in front of Adam."""
    moved = {}
    for name in ("plain", "scaled gradient", "group"):
        torch.manual_seed(0)
        network = nn.Sequential(SpatialTransformer(DenseLocaliser(64), "affine"), nn.Flatten(), nn.Linear(64, 3))
        scale = 0.1 if name == "group" else 1.0
        optimiser = torch.optim.Adam(parameter_groups(network, 1e-3, scale))
        bias = network[0].regression.bias
        if name == "scaled gradient":
            bias.register_hook(lambda gradient: 0.1 * gradient)
        before = bias.detach().clone()
        steps(5, optimiser, lambda made=network: made(image((8, 8), channels=1)).square().mean())
        moved[name] = (bias.detach() - before).abs().max().item()
    assert moved["scaled gradient"] == pytest.approx(moved["plain"], rel=0.02)
    assert moved["group"] == pytest.approx(0.1 * moved["plain"], rel=0.1)
