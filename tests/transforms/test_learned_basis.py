"""T = M B with B learned: it contains the affine maps, keeps the identity, and trains."""

import pytest
import torch

import unwarp
from support.families import DIMENSIONS, points_inside
from support.generators import smooth_image, theta_near_identity
from support.tolerances import assert_matches
from unwarp.errors import OptionError
from unwarp.transforms import Affine, Bounded, LearnedBasis


@pytest.mark.parametrize("ndim", DIMENSIONS)
def test_contains_the_affine_maps(ndim):
    affine, learned = Affine(ndim), LearnedBasis(3, ndim=ndim)
    theta, points = theta_near_identity(affine), points_inside(ndim, 20)
    padded = torch.cat([theta, torch.zeros(2, ndim, 3, dtype=torch.float64)], dim=-1)
    assert_matches(learned(padded, points), affine(theta, points), "oracle")


def test_keeps_the_identity_whatever_is_learned():
    learned = LearnedBasis()
    torch.nn.init.normal_(learned.fields)
    points = points_inside(2, 20)
    assert torch.equal(learned(learned.identity(), points), points)


def test_fields_start_as_different_waves_of_amplitude_one():
    fields = LearnedBasis(6).fields
    assert fields.shape == (64, 6)
    assert torch.linalg.matrix_rank(fields) == 6
    torch.testing.assert_close(fields.abs().amax(0), torch.ones(6))
    half_wave = torch.cos(torch.linspace(0, torch.pi, 8))
    torch.testing.assert_close(fields[:, 0].reshape(8, 8), half_wave[:, None].expand(8, 8))
    torch.testing.assert_close(fields[:, 1].reshape(8, 8), half_wave.expand(8, 8))


def test_learns_a_deformation_no_affine_map_has():
    source = smooth_image((24, 24)).double()
    grid = unwarp.make_grid((24, 24), dtype=torch.float64)
    bend = torch.stack([grid[..., 0], grid[..., 1] + 0.2 * grid[..., 0] ** 2], dim=-1)
    target = unwarp.sample(source, bend[None], padding_mode="border")

    def error_after_training(features):
        transform = LearnedBasis(features).double()
        theta = transform.identity(dtype=torch.float64)[None].requires_grad_()
        optimiser = torch.optim.Adam([theta, transform.fields], lr=0.02)
        for _ in range(60):
            optimiser.zero_grad()
            loss = (unwarp.warp(source, theta, transform, padding_mode="border") - target).square().mean()
            loss.backward()
            optimiser.step()
        return loss.item(), transform

    error, transform = error_after_training(2)
    start = (source - target).square().mean().item()
    assert error < start / 20
    assert (transform.fields - LearnedBasis(2).fields).abs().max() > 0.01


@pytest.mark.parametrize("ndim", DIMENSIONS)
def test_limits_tell_its_affine_part_from_the_displacements(ndim):
    learned = LearnedBasis(2, ndim=ndim)
    far, limits = torch.full(learned.theta_shape, 9.0), {"scale": 3.0, "shift": 0.1}
    affine = Bounded(Affine(ndim), **limits).bound(far[:, : ndim + 1])
    both = Bounded(learned, **limits).bound(far)
    assert torch.equal(both, torch.cat([affine, torch.full((ndim, 2), 0.1)], dim=-1))


def test_wrong_options_are_refused():
    with pytest.raises(OptionError, match="features: expected a positive integer"):
        LearnedBasis(0)
    with pytest.raises(OptionError, match="fewer than the 4 points"):
        LearnedBasis(4, (2, 2))
