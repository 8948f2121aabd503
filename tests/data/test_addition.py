import torch

from support.generators import generator
from unwarp.data.addition import Addition
from unwarp.data.distortions import rotated_scaled_translated
from unwarp.data.mnist_subset import subset

DIGITS = subset("test")[:64]


def test_answer_is_the_sum_of_the_two_digits_shown():
    images, sums = Addition().make(DIGITS.images, DIGITS.labels, generator())
    source = generator()
    other = torch.randperm(64, generator=source)
    assert torch.equal(sums, DIGITS.labels + DIGITS.labels[other])
    for channel, digits in enumerate((DIGITS.images, DIGITS.images[other])):
        assert torch.equal(images[:, channel : channel + 1], rotated_scaled_translated(digits, source))


def test_every_digit_is_shown_once_in_each_channel():
    _, sums = Addition().make(DIGITS.images, DIGITS.labels, generator())
    assert sums.sum() == 2 * DIGITS.labels.sum()
    assert not torch.equal(sums, 2 * DIGITS.labels)
