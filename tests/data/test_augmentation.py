import math

import pytest
import torch

from unwarp import warp
from unwarp.data.augmentation import Augmentation
from unwarp.errors import OptionError
from unwarp.transforms import Compose, ThinPlateSpline


def seeded():
    return torch.Generator().manual_seed(0)


def test_without_arguments_pictures_stay():
    images = torch.rand(2, 1, 8, 8)
    assert Augmentation().apply(images, seeded()) is images
    assert not Augmentation(background=0.5).active


def test_the_generator_decides():
    images, augmentation = torch.rand(4, 3, 16, 16), Augmentation(degrees=30, bend=0.02)
    assert torch.equal(augmentation.apply(images, seeded()), augmentation.apply(images, seeded()))
    assert not torch.equal(augmentation.apply(images, seeded()), images)


@pytest.mark.parametrize("size", [(40, 40), (30, 90)])
def test_rotation_is_rigid_on_the_screen(size):
    """In pixels the linear part is orthogonal, whatever the proportions of the picture."""
    transform, theta = Augmentation(degrees=40).draw(50, size, seeded())
    matrix = transform.matrix(theta)[:, :2, :2]
    pixels = torch.tensor([size[1] / 2, size[0] / 2])
    turned = matrix * pixels[:, None] / pixels
    torch.testing.assert_close(turned @ turned.mT, torch.eye(2).expand(50, 2, 2))
    angles = torch.atan2(turned[:, 1, 0], turned[:, 0, 0]).abs()
    assert angles.max() <= math.radians(40)
    assert angles.max() > math.radians(30)


def test_scales_and_shifts_stay_within_their_limits():
    transform, theta = Augmentation(scale=1.5, shift=0.1).draw(300, (20, 20), seeded())
    matrix = transform.matrix(theta)
    factor = matrix[:, 0, 0]
    assert 1 / 1.5 <= factor.min() < 0.7
    assert 1.4 < factor.max() <= 1.5
    assert 0.18 < matrix[:, :2, 2].abs().max() <= 0.2


def test_half_of_the_pictures_are_mirrored():
    transform, theta = Augmentation(flip=True).draw(1000, (8, 8), seeded())
    mirrored = (torch.linalg.det(transform.matrix(theta)) < 0).float().mean()
    assert 0.4 < mirrored < 0.6


def test_bending_and_perspective_are_one_sampling():
    augmentation = Augmentation(perspective=0.2, bend=0.05, background=0.7)
    images = torch.ones(3, 1, 16, 16) * 0.2
    transform, theta = augmentation.draw(3, (16, 16), seeded())
    assert isinstance(transform, Compose)
    expected = warp(images, theta, transform, padding_mode="fill", fill_value=0.7)
    torch.testing.assert_close(augmentation.apply(images, seeded()), expected)


def test_bending_alone_is_the_same_map_without_a_homography():
    images = torch.rand(3, 1, 16, 16)
    alone, theta = Augmentation(bend=0.05).draw(3, (16, 16), seeded())
    assert isinstance(alone, ThinPlateSpline)
    barely, composed = Augmentation(bend=0.05, shift=1e-9).draw(3, (16, 16), seeded())
    torch.testing.assert_close(warp(images, theta, alone), warp(images, composed, barely), atol=1e-5, rtol=1e-5)
    moved = (theta - alone.identity()).std() / 2
    assert 0.035 < moved < 0.065


def test_the_kernel_is_the_one_asked_for():
    images = torch.rand(2, 1, 16, 16)
    transform, theta = Augmentation(bend=0.03).draw(2, (16, 16), seeded())
    sharp = Augmentation(bend=0.03, mode="bicubic").apply(images, seeded())
    torch.testing.assert_close(sharp, warp(images, theta, transform, mode="bicubic"))
    assert not torch.allclose(sharp, Augmentation(bend=0.03).apply(images, seeded()))


@pytest.mark.parametrize("wrong", [{"degrees": -1.0}, {"scale": 0.5}, {"bend": float("nan")}])
def test_wrong_limits_are_named(wrong):
    with pytest.raises(OptionError, match=f"augment.{next(iter(wrong))}"):
        Augmentation(**wrong)
