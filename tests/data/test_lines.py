import pytest
import torch

from unwarp.data import mnist_subset
from unwarp.data.distorted_mnist import FixedBatches, FreshBatches
from unwarp.data.lines import ALPHABET, Lines, spelled


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def drawn():
    return Lines().draw(200, generator())


def test_shapes_and_ranges(drawn):
    images, answers = drawn
    assert images.shape == (200, 1, 64, 128)
    assert images.min() >= 0
    assert images.max() <= 1
    assert {len(spelled(line)) for line in answers} == {3, 4, 5, 6}
    assert {character for line in answers for character in spelled(line)} == set(ALPHABET)


def test_short_lines_are_filled_up_at_their_end(drawn):
    _, answers = drawn
    ended = (answers == 0).long()
    assert torch.equal(ended.sort(dim=1).values, ended)


def test_the_same_seed_draws_the_same_lines(drawn):
    images, answers = Lines().draw(200, generator())
    assert torch.equal(images, drawn[0])
    assert torch.equal(answers, drawn[1])
    assert not torch.equal(Lines().draw(200, generator(1))[1], answers)


def test_ink_lies_inside(drawn):
    """At the border there is the ground alone: a slope of 0.2 at most, and noise."""
    images, _ = drawn
    left, middle = images[..., :, 0].flatten(1), images[..., 20:44, 40:88].flatten(1)
    assert (left.std(1) < 0.08).float().mean() > 0.9
    assert (middle.std(1) > 0.08).float().mean() > 0.9


def test_lines_differ_in_bend_and_angle(drawn):
    """The ink's height is not where the middle row of a straight line would be."""
    images, _ = drawn
    ink = (images - images.flatten(1).median(1).values[:, None, None, None]).abs()[:, 0]
    ink = ink.where(ink > 0.25, 0)
    rows = torch.arange(64.0)[:, None]
    height = (ink * rows).sum(1) / ink.sum(1).clamp_min(1e-6)
    columns = height[:, 44:84].nan_to_num(31.5)
    assert columns.std(1).median() > 1.0


def test_they_are_made_in_batches_like_any_task():
    digits = mnist_subset.subset("train")[:64]
    fresh = FreshBatches(digits, Lines(), batch_size=32, seed=0)
    assert fresh[0, 1][0].shape == (32, 1, 64, 128)
    assert not torch.equal(fresh[0, 0][1], fresh[1, 0][1])
    assert FixedBatches(digits, Lines(), batch_size=40, seed=0)[1][1].shape == (24, 6)
