import torch

from support.generators import generator
from unwarp.data.mnist_subset import subset
from unwarp.data.scattered import Scattered, per_class

DIGITS = subset("test")[:50]


def test_digits_lie_where_the_answers_say():
    images, found = Scattered("t84").make(DIGITS.images, DIGITS.labels, generator())
    for image, digit, (label, row, column), known in zip(images, DIGITS.images, found, DIGITS.labels, strict=True):
        assert label == known
        torch.testing.assert_close(image[0, row : row + 28, column : column + 28], digit / 255)
        torch.testing.assert_close(image.sum(), digit.sum() / 255)


def test_clutter_is_added():
    plain, found = Scattered("t84").make(DIGITS.images, DIGITS.labels, generator())
    cluttered, same = Scattered("tc84", squares=16).make(DIGITS.images, DIGITS.labels, generator())
    assert torch.equal(found, same)
    assert (cluttered >= plain).all()
    assert cluttered.max() == 1
    assert ((cluttered - plain).sum((1, 2, 3)) > 20).float().mean() > 0.9


def test_the_first_of_every_class_in_the_order_of_classes():
    chosen = per_class(subset("train"), 3)
    assert chosen.labels.tolist() == [digit for digit in range(10) for _ in range(3)]
    whole = subset("train")
    assert torch.equal(chosen.images[9:12], whole.images[whole.labels == 3][:3])
