import pytest
import torch

from unwarp.models.line_reader import LINE, Contrast, crnn, st_crnn
from unwarp.transforms import Bounded, ThinPlateSpline


@pytest.mark.parametrize("transform", ["affine", Bounded(ThinPlateSpline(control=(2, 6)), shift=1.0)], ids=str)
def test_starts_with_the_whole_picture(transform):
    reader = st_crnn((64, 128), transform=transform, width=8)
    picture = torch.rand(2, 1, *LINE)  # of the size of a line, so that the identity takes pixel for pixel
    assert torch.equal(reader.transformer(picture), picture)


def test_both_read_the_same_steps():
    images = torch.rand(2, 1, 64, 128)
    assert crnn((64, 128), width=8)(images).shape == st_crnn((64, 128), width=8)(images).shape == (2, 24, 35)


def test_the_localiser_learns_from_the_reader():
    reader = st_crnn((64, 128), width=8)
    reader(torch.rand(2, 1, 64, 128))[..., 1].sum().backward()
    assert reader.transformer.regression.weight.grad.abs().sum() > 0


def test_ink_has_the_same_contrast_on_light_and_dark_grounds():
    ink = torch.rand(3, 1, 32, 64).square()
    seen = Contrast()(0.1 + 0.4 * ink)
    torch.testing.assert_close(Contrast()(0.9 - 0.8 * ink), seen, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(seen[0], seen[1], atol=0.1)


def test_a_picture_of_one_grey_has_no_contrast():
    assert torch.equal(Contrast()(torch.full((1, 1, 4, 4), 0.5)), torch.full((1, 1, 4, 4), -1.0))


def test_without_a_transformer_the_picture_is_shrunk():
    ramp = torch.linspace(0, 1, 128).expand(1, 1, 64, 128)
    shrunk = crnn((64, 128), width=8).transformer(ramp)
    assert shrunk.shape == (1, 1, *LINE)
    assert (shrunk.diff(dim=-1) > 0).all()
