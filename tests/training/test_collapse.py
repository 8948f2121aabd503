"""Where a transformer looks, and what is said when that is nowhere useful."""

import math

import pytest
import torch

from support.families import CASES, default
from unwarp.training.collapse import Look, look, signs
from unwarp.transforms import Affine, Attention, LogPolar, Projective, Translation

FINE = Look(outside=0.1, zoom=1.1, spread=0.2)


@pytest.mark.parametrize(("family", "ndim"), CASES)
def test_the_start_is_fine(family, ndim):
    transform = default(family, ndim)
    seen = look(transform.start()[None], transform, points=9)
    assert seen == Look(pytest.approx(0, abs=1e-6), pytest.approx(1, abs=1e-5), None)
    assert signs(seen, 0, None, 1) == {}


def test_shares_outside():
    lattice = torch.linspace(-1, 1, 17)
    expected = 1 - ((lattice + 0.5).abs() <= 1).float().mean().item()
    assert look(torch.tensor([[0.5, 0.0]]), Translation()).outside == pytest.approx(expected)
    assert look(torch.tensor([[9.0, 0.0]]), Translation()).outside == 1
    assert look(torch.tensor([[math.nan, 0.0], [0.0, 0.0]]), Translation()).outside == 0.5


@pytest.mark.parametrize("scale", [0.01, 0.5, 3.0])
def test_zoom_is_the_scale_in_every_dimension(scale):
    for ndim in (1, 2, 3):
        theta = torch.tensor([[scale] + [0.0] * ndim])
        assert look(theta, Attention(ndim)).zoom == pytest.approx(scale, rel=1e-4)
    assert look(torch.tensor([[2.0, 0.1]]), LogPolar()).zoom == pytest.approx(1, rel=1e-4)


def test_spread_is_that_of_positions_over_the_batch():
    theta = torch.tensor([[0.1, 0.0], [0.3, 0.0]])
    assert look(theta, Translation()).spread == pytest.approx(0.05)  # 0.1 along x, 0 along y
    assert look(theta[:1].expand(4, 2), Translation()).spread == 0
    several = torch.tensor([[[0.9, 0.0], [-0.9, 0.0]]]).expand(4, 2, 2)
    assert look(several, Translation()).spread == 0


@pytest.mark.parametrize(
    ("theta", "transform", "sign", "words"),
    [
        ([[3.0, 0, 0], [0, 3, 0]], Affine(), "zoomed out", "fills 33% of the output's width"),
        ([[1.0, 0, 5], [0, 1, 0]], Affine(), "off the image", "looks off the image: 100% of its samples lie outside"),
        ([[0.01, 0, 0], [0, 0.01, 0]], Affine(), "zoomed in", "shows 1.0% of the image's width"),
        ([0.0, 0, 0, 0, 0, 0, 0, 0], Projective(), "zoomed in", "shows 0.0% of the image's width"),
    ],
)
def test_each_sign_is_told_apart_and_said_in_words(theta, transform, sign, words):
    found = signs(look(torch.tensor(theta)[None], transform), 0, None, 5)
    assert list(found) == [sign]
    assert words in found[sign]


def test_a_constant_theta_is_said_after_some_patience():
    assert signs(FINE, 4, 1.0, 5) == {}
    assert "same theta for 5 epochs. Raise the learning rate" in signs(FINE, 5, 1.0, 5)["constant"]
    assert "Raise the learning rate" in signs(FINE, 5, None, 5)["constant"]
    assert "No gradient reaches its localiser" in signs(FINE, 5, 0.0, 5)["constant"]
