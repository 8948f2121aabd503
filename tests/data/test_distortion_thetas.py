"""What is drawn is recovered from theta by inverting it, and compared with the recipe."""

import math

import pytest
import torch
from scipy import stats

from support.generators import generator
from unwarp.data import distortion_thetas as thetas
from unwarp.data import homography

COUNT = 20_000
DRAWS = [thetas.rotation, thetas.rotation_scale_translation, thetas.projective, thetas.elastic, thetas.translation]


def placed(theta: torch.Tensor, canvas: int) -> dict[str, torch.Tensor]:
    """Angle in degrees, scale and shift in canvas pixels that theta does to the digit."""
    last = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64).expand(len(theta), 1, 3)
    to_digit = torch.cat([theta.double(), last], dim=1)
    in_pixels = torch.diag(torch.tensor([14.0, 14.0, 1.0]).double()) @ to_digit
    in_pixels = in_pixels @ torch.diag(torch.tensor([2 / canvas, 2 / canvas, 1.0]).double())
    to_canvas = torch.linalg.inv(in_pixels)
    cos, sin = to_canvas[:, 0, 0], to_canvas[:, 1, 0]
    assert torch.allclose(to_canvas[:, 1, 1], cos), "not a similarity"
    assert torch.allclose(to_canvas[:, 0, 1], -sin), "not a similarity"
    angle, scale = torch.atan2(sin, cos).rad2deg(), torch.hypot(cos, sin)
    return {"angle": angle, "scale": scale, "shift": to_canvas[:, :2, 2]}


def assert_uniform(values: torch.Tensor, low: float, high: float) -> None:
    assert values.min() >= low - 1e-3
    assert values.max() <= high + 1e-3
    assert stats.kstest(values.numpy(), "uniform", (low, high - low)).pvalue > 1e-3


def assert_normal(values: torch.Tensor, sigma: float) -> None:
    assert stats.kstest(values.flatten().numpy(), "norm", (0, sigma)).pvalue > 1e-3


def assert_independent(*columns: torch.Tensor) -> None:
    correlation = torch.corrcoef(torch.stack(columns))
    off_diagonal = correlation - torch.eye(len(columns), dtype=correlation.dtype)
    assert off_diagonal.abs().max() < 5 / math.sqrt(COUNT)


def test_r_turns_by_up_to_90_degrees_and_does_no_more():
    drawn = placed(thetas.rotation(COUNT, generator()), canvas=28)
    assert_uniform(drawn["angle"], -90, 90)
    torch.testing.assert_close(drawn["scale"], torch.ones(COUNT, dtype=torch.float64), rtol=0, atol=1e-6)
    assert drawn["shift"].abs().max() == 0


def test_rts_turns_scales_and_places():
    drawn = placed(thetas.rotation_scale_translation(COUNT, generator()), canvas=42)
    room = (42 - 28 * drawn["scale"]) / 2
    place = drawn["shift"] / room[:, None]
    assert_uniform(drawn["angle"], -45, 45)
    assert_uniform(drawn["scale"], 0.7, 1.2)
    assert_uniform(place[:, 0], -1, 1)
    assert_uniform(place[:, 1], -1, 1)
    assert_independent(drawn["angle"], drawn["scale"], place[:, 0], place[:, 1])


def test_p_moves_the_corners_of_the_scaled_image():
    theta = thetas.projective(COUNT, generator())
    again = generator()
    scale = thetas.uniform(COUNT, 0.75, 1.0, again)
    corners = thetas.moved_corners(COUNT, again) / 14
    matrix = torch.cat([theta.double(), torch.ones(COUNT, 1)], dim=1).view(-1, 3, 3)
    mapped = torch.cat([corners, torch.ones_like(corners[..., :1])], dim=-1) @ matrix.mT
    assert_uniform(scale, 0.75, 1.0)
    expected = homography.corners(1.0) / scale[:, None, None]
    torch.testing.assert_close(mapped[..., :2] / mapped[..., 2:], expected, rtol=0, atol=2e-3)


def test_p_moves_corners_by_5_pixels_rms_in_any_direction():
    distance = thetas.moved_corners(COUNT, generator()) - homography.corners(14.0)
    assert abs(distance.square().sum(-1).mean().sqrt() - 5) < 0.05
    assert_normal(distance[:1000], 5 / math.sqrt(2))
    assert_independent(distance[:, 0, 0], distance[:, 0, 1], distance[:, 1, 0])


def test_p_redraws_what_is_folded(monkeypatch):
    monkeypatch.setattr(thetas, "P_DISTANCE_PIXELS", 7.0)  # 5 pixels fold one quadrilateral in 20,000
    moved = thetas.moved_corners(COUNT, generator())
    first = 7 / math.sqrt(2) * torch.randn(COUNT, 4, 2, generator=generator(), dtype=torch.float64)
    redrawn = (moved - homography.corners(14.0) - first).abs().amax((1, 2)) > 1e-9
    assert 0.003 < redrawn.double().mean() < 0.008
    assert homography.is_sound(moved, half=14.0).all()


def test_e_moves_16_control_points_of_the_scaled_image():
    theta = thetas.elastic(COUNT, generator())
    scale = thetas.uniform(COUNT, 0.75, 1.0, generator())
    lattice = torch.linspace(-1, 1, 4)
    control = torch.stack(torch.meshgrid(lattice, lattice, indexing="xy"), dim=-1).flatten(0, 1)
    noise = 14 * (theta * scale[:, None, None] - control)
    assert_uniform(scale, 0.75, 1.0)
    assert_normal(noise[:1000], 1.5)
    assert_independent(scale, *noise[:, [0, 5, 15], 0].unbind(1), noise[:, 5, 1])


def test_t_places_on_whole_pixels_everywhere():
    drawn = placed(thetas.translation(COUNT, generator()), canvas=60)
    corner = drawn["shift"] + 16
    torch.testing.assert_close(corner, corner.round(), rtol=0, atol=1e-4)
    for axis in (0, 1):
        counts = torch.bincount(corner[:, axis].round().long())
        assert len(counts) == 33
        assert stats.chisquare(counts.numpy()).pvalue > 1e-3
    assert drawn["angle"].abs().max() == 0
    torch.testing.assert_close(drawn["scale"], torch.ones(COUNT, dtype=torch.float64), rtol=0, atol=1e-6)


@pytest.mark.parametrize("draw", DRAWS)
def test_the_generator_alone_decides(draw):
    first = draw(8, generator(3))
    torch.manual_seed(17)
    assert torch.equal(first, draw(8, generator(3)))
    assert not torch.equal(first, draw(8, generator(4)))
    assert first.dtype == torch.float32


def test_one_generator_goes_on():
    source = generator()
    assert not torch.equal(thetas.rotation(4, source), thetas.rotation(4, source))
