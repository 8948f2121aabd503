import cv2
import numpy as np
import pytest
import torch

from support.generators import generator
from unwarp.data import homography

SQUARE = homography.corners(14.0)


def quadrilaterals(count: int, sigma: float = 3.0) -> torch.Tensor:
    moved = SQUARE + sigma * torch.randn(count, 4, 2, generator=generator(), dtype=torch.float64)
    return moved[homography.is_sound(moved, half=14.0)]


def test_corners_are_mapped_onto_corners():
    source = quadrilaterals(200)
    matrix = homography.from_corners(source, SQUARE)
    assert (matrix[:, 2, 2] == 1).all()
    mapped = torch.cat([source, torch.ones_like(source[..., :1])], dim=-1) @ matrix.mT
    assert (mapped[..., 2] > 0).all(), "a corner lies behind the horizon"
    torch.testing.assert_close(mapped[..., :2] / mapped[..., 2:], SQUARE.expand_as(source), rtol=0, atol=1e-9)


def test_it_agrees_with_opencv():
    for source in quadrilaterals(20):
        theirs = cv2.getPerspectiveTransform(source.float().numpy(), SQUARE.float().numpy())
        ours = homography.from_corners(source.float()[None], SQUARE)[0].numpy()
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-7)


def test_unmoved_corners_give_the_identity():
    eye = torch.eye(3, dtype=torch.float64)[None]
    torch.testing.assert_close(homography.from_corners(SQUARE[None], SQUARE), eye, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("corners", "sound"),
    [
        ([[-14, -14], [14, -14], [14, 14], [-14, 14]], True),
        ([[-20, -9], [14, -14], [11, 19], [-14, 14]], True),
        ([[2, 2], [14, -14], [14, 14], [-14, 14]], False),  # folded over the diagonal
        ([[-0.5, -0.5], [14, -14], [14, 14], [-14, 14]], False),  # nearly flat
        ([[14, -14], [-14, -14], [14, 14], [-14, 14]], False),  # two corners exchanged
        ([[14, -14], [-14, -14], [-14, 14], [14, 14]], False),  # turned over
        ([[2, -14], [30, -14], [30, 14], [2, 14]], False),  # the centre is left outside
    ],
)
def test_soundness(corners, sound):
    assert homography.is_sound(torch.tensor([corners], dtype=torch.float64), half=14.0).tolist() == [sound]
