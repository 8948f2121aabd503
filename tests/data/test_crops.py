import pytest
import torch

from support.generators import generator
from unwarp.data.crops import Crops
from unwarp.data.mnist_subset import subset

DIGITS = subset("test")[:200]


@pytest.fixture(scope="module")
def made():
    return Crops("crops").make(DIGITS.images, DIGITS.labels, generator())


def test_half_of_the_crops_are_the_digits_themselves(made):
    images, chances = made
    itself = (images - DIGITS.images[:, None] / 255).flatten(1).abs().amax(1) == 0
    assert 0.4 < itself.float().mean() < 0.6
    sure = chances[itself, DIGITS.labels[itself].long()]
    assert (sure == 1).float().mean() > 0.95  # one in 841 of the others lies on the frame, too


def test_the_farther_beside_the_digit_the_less_sure(made):
    images, chances = made
    digits = DIGITS.images[:, None].float() / 255
    kept = images.sum((1, 2, 3)) / digits.sum((1, 2, 3))
    sure = chances.amax(1)
    assert kept[sure > 0.7].min() > 0.9
    assert kept[sure < 0.2].mean() < 0.8
    assert sure.min() == pytest.approx(0.05 + 0.95 / 10)


def test_chances_sum_to_1_and_the_digit_is_the_most_probable(made):
    _, chances = made
    torch.testing.assert_close(chances.sum(1), torch.ones(len(chances)))
    assert torch.equal(chances.argmax(1), DIGITS.labels.long())


def test_a_crop_is_the_digit_moved(made):
    images, chances = made
    # Of the crops that lie beside the frame by d pixels, some shift of d pixels gives the crop back.
    near = torch.nonzero((chances.amax(1) < 1) & (chances.amax(1) > 0.7)).flatten()
    assert len(near)
    for k in near.tolist():
        padded = torch.nn.functional.pad(DIGITS.images[k].float() / 255, (14,) * 4)
        distance = 10 * (1 - (chances[k].max() - 0.1) / 0.9)
        fits = [
            (row, column)
            for row in range(29)
            for column in range(29)
            if torch.equal(padded[row : row + 28, column : column + 28], images[k, 0])
        ]
        assert any(((r - 14) ** 2 + (c - 14) ** 2) ** 0.5 == pytest.approx(distance.item(), abs=1e-4) for r, c in fits)
