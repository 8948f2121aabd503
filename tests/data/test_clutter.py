import torch
from scipy import stats

from support.generators import generator, image
from unwarp.data import clutter

COUNT = 3000


def draw(count: int) -> clutter.Pieces:
    return clutter.draw(count, digit=28, canvas=60, generator=generator())


def test_squares_are_cut_from_other_images_at_uniform_places():
    pieces = draw(COUNT)
    assert (pieces.donor != torch.arange(COUNT)[:, None]).all()
    assert (pieces.donor.min(), pieces.donor.max()) == (0, COUNT - 1)
    for corner, last in ((pieces.cut_from, 28 - 6), (pieces.put_at, 60 - 6)):
        for axis in (0, 1):
            counts = torch.bincount(corner[..., axis].flatten())
            assert len(counts) == last + 1
            assert stats.chisquare(counts.numpy()).pvalue > 1e-3
    assert pieces.put_at.shape == (COUNT, 6, 2)


def test_every_other_image_can_be_the_donor():
    source = generator()
    draws = [clutter.draw(4, digit=28, canvas=60, generator=source) for _ in range(20)]
    assert {donor for pieces in draws for donor in pieces.donor[2].tolist()} == {0, 1, 3}


def test_a_lone_image_is_its_own_donor():
    assert (draw(1).donor == 0).all()


def test_squares_are_copied_and_added_up():
    images = image((28, 28), batch=3, channels=1)
    put_at = torch.tensor([[0, 0], [54, 54], [10, 20], [10, 20], [13, 24], [54, 0]]).expand(3, 6, 2)
    pieces = draw(3)._replace(put_at=put_at)
    strewn = clutter.strew(images, pieces, canvas=60)
    expected = torch.zeros(3, 1, 60, 60)
    for i in range(3):
        for donor, (top, left), (row, column) in zip(*(part[i].tolist() for part in pieces), strict=True):
            cut = images[donor, :, top : top + 6, left : left + 6]
            expected[i, :, row : row + 6, column : column + 6] += cut
    torch.testing.assert_close(strewn, expected)
