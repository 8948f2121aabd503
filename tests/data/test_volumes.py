import math

import pytest
import torch

from support.generators import generator
from unwarp.data.mnist_subset import subset
from unwarp.data.volumes import Volumes, placement
from unwarp.functional import warp

DIGITS = subset("test")[:8]


def test_no_ink_is_lost():
    volumes, labels = Volumes().make(DIGITS.images, DIGITS.labels, generator())
    expected = 14 * DIGITS.images.sum((1, 2)) / 255
    torch.testing.assert_close(volumes.sum((1, 2, 3, 4)), expected, rtol=0.02, atol=0)
    assert torch.equal(labels, DIGITS.labels)
    edges = [volumes.select(axis, end).max() for axis in (2, 3, 4) for end in (0, -1)]
    assert max(edges) == 0


def test_a_digit_that_is_not_turned_is_copied_slice_by_slice():
    digits = DIGITS.images.float()[:, None, None].expand(-1, -1, 14, -1, -1).contiguous()
    shift = torch.tensor([[3.0, -4.0, 5.0]]).expand(8, 3)
    volumes = warp(digits, placement(torch.zeros(8, 3), shift), "affine", (60, 60, 60))
    middle = volumes[:, 0, 30 + 5 - 7 : 30 + 5 + 7, 30 - 4 - 14 : 30 - 4 + 14, 30 + 3 - 14 : 30 + 3 + 14]
    torch.testing.assert_close(middle, digits[:, 0], rtol=0, atol=1e-2)
    assert volumes.sum() == digits.sum()


@pytest.mark.parametrize(
    ("axis", "source", "goal"),
    [
        (0, (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
        (1, (0.0, 0.0, 1.0), (1.0, 0.0, 0.0)),
        (2, (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    ],
)
def test_a_quarter_turn_about_each_axis(axis, source, goal):
    angles = torch.zeros(1, 3)
    angles[0, axis] = math.pi / 2
    theta = placement(angles, torch.zeros(1, 3))
    looked_at = theta[0, :, :3] @ (torch.tensor(goal) / 30) * torch.tensor([14.0, 14.0, 7.0])
    torch.testing.assert_close(looked_at, torch.tensor(source), rtol=0, atol=1e-5)
