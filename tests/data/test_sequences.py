import torch

from support.generators import generator
from unwarp.data.mnist_subset import subset
from unwarp.data.sequences import ClutteredSequences, _corners

DIGITS = subset("test")[:64]


def test_digits_stand_in_the_order_of_the_answers():
    images, answers = ClutteredSequences().make(DIGITS.images, DIGITS.labels, generator())
    assert torch.equal(answers[:, 0], DIGITS.labels)
    first, _ = found_at(images[0, 0], DIGITS.images[0] / 255)
    for digit, label in zip(DIGITS.images, DIGITS.labels, strict=True):
        if label == answers[0, 1]:
            column, whole = found_at(images[0, 0], digit / 255)
            if whole:
                assert column > first
                return
    raise AssertionError("the second digit is not in the image")


def found_at(image, digit):
    """Leftmost column where all of the digit's ink is, and whether there is one."""
    windows = image.unfold(0, 28, 1).unfold(1, 28, 1)
    inside = (windows >= digit - 1e-6).flatten(2).all(-1).nonzero()
    return (int(inside[:, 1].min()), True) if len(inside) else (-1, False)


def test_frames_lie_in_the_image_side_by_side_on_a_line():
    corners = _corners(4000, generator())
    assert (corners.min(), corners.max()) == (0, 72)
    assert (corners[:, :, 1].diff(dim=1) >= 28).all()
    row = corners[:, :, 0]
    assert ((row[:, 0] + row[:, 2] - 2 * row[:, 1]).abs() <= 1).all()
    assert (row[:, 2] - row[:, 0]).abs().max() > 60


def test_grey_values_stay_in_range():
    images, _ = ClutteredSequences().make(DIGITS.images, DIGITS.labels, generator())
    assert (images.min(), images.max()) == (0, 1)
