"""What the distortions do to images, checked on blobs whose centre of mass can be followed."""

import time
from collections.abc import Callable

import cv2
import pytest
import torch

from support.generators import generator
from unwarp import warp
from unwarp.data import clutter, distortions
from unwarp.data import distortion_thetas as thetas
from unwarp.data.mnist_subset import subset
from unwarp.errors import DtypeError, OptionError, ShapeError

NAMES = list(distortions.DISTORTIONS)
PIXELS = torch.arange(28.0)


def blob(x: float, y: float, *, sigma: float = 2.0) -> torch.Tensor:
    """A round spot whose centre of mass lies at ``(x, y)`` pixels from the image's centre."""
    profile = [torch.exp(-(((PIXELS - 13.5 - c) / sigma) ** 2) / 2) for c in (x, y)]
    return profile[1][:, None] * profile[0]


def centre_of_mass(images: torch.Tensor) -> torch.Tensor:
    """``(n, 2)``: x and y in pixels from the images' centres."""
    weights = images.squeeze(1).double()
    axis = torch.arange(images.shape[-1]) - (images.shape[-1] - 1) / 2
    total = weights.sum((1, 2))
    return torch.stack([(weights.sum(1) * axis).sum(1), (weights.sum(2) * axis).sum(1)], dim=1) / total[:, None]


@pytest.mark.parametrize("name", NAMES)
def test_size_range_and_repeatability(name):
    distortion = distortions.get(name)
    digits = subset("test").images[:64]
    images = distortion.apply(digits, generator())
    assert images.shape == (64, 1, *distortion.size)
    assert images.dtype == torch.float32
    assert images.min() == 0
    assert 0.9 < images.max() <= 1
    assert torch.equal(images, distortion.apply(digits, generator()))
    assert not torch.equal(images, distortion.apply(digits, generator(1)))
    assert torch.equal(images, distortion.apply(digits.float() / 255, generator()))
    assert digits.dtype == torch.uint8
    assert distortion.name == name


def test_identity_thetas_give_the_padded_digit_exactly():
    images = distortions.as_images(subset("test").images[:16])
    angle, scale, shift = torch.zeros(16), torch.ones(16), torch.zeros(16, 2)
    for canvas in (28, 42, 60):
        theta = thetas.similarity(angle=angle, scale=scale, shift=shift, canvas=canvas)
        margin = (canvas - 28) // 2
        padded = torch.nn.functional.pad(images, (margin,) * 4)
        assert torch.equal(warp(images, theta, "affine", (canvas, canvas)), padded), canvas


def test_whole_pixel_shifts_move_the_digit_exactly():
    images = distortions.as_images(subset("test").images[:1])
    for canvas, x, y in ((42, 7, -3), (60, -16, 16), (60, 5, 11)):
        shift = torch.tensor([[float(x), float(y)]])
        theta = thetas.similarity(angle=torch.zeros(1), scale=torch.ones(1), shift=shift, canvas=canvas)
        left, top = (canvas - 28) // 2 + x, (canvas - 28) // 2 + y
        expected = torch.zeros(1, 1, canvas, canvas)
        expected[..., top : top + 28, left : left + 28] = images
        torch.testing.assert_close(warp(images, theta, "affine", (canvas, canvas)), expected, rtol=0, atol=1e-5)


def test_a_positive_angle_turns_from_x_towards_y():
    theta = thetas.similarity(
        angle=torch.tensor([torch.pi / 2]), scale=torch.ones(1), shift=torch.zeros(1, 2), canvas=28
    )
    turned = centre_of_mass(warp(blob(8.0, 0.0)[None, None], theta, "affine"))
    torch.testing.assert_close(turned, torch.tensor([[0.0, 8.0]]).double(), rtol=0, atol=0.02)


def test_scale_and_shift_are_those_of_the_digit():
    shift = torch.tensor([[5.0, -4.0]])
    theta = thetas.similarity(angle=torch.tensor([torch.pi / 6]), scale=torch.tensor([1.2]), shift=shift, canvas=42)
    seen = centre_of_mass(warp(blob(4.0, 0.0)[None, None], theta, "affine", (42, 42)))
    x, y = 1.2 * 4 * 0.75**0.5 + 5, 1.2 * 4 * 0.5 - 4
    torch.testing.assert_close(seen, torch.tensor([[x, y]]).double(), rtol=0, atol=0.05)


def test_r_keeps_the_distance_from_the_centre():
    seen = centre_of_mass(distortions.rotated(blob(6.0, 0.0).expand(500, 28, 28), generator()))
    distance = seen.norm(dim=1)
    torch.testing.assert_close(distance, torch.full_like(distance, 6.0), rtol=0, atol=0.05)
    assert seen[:, 0].min() > -0.1, "turned by more than 90 degrees"
    assert seen[:, 1].min() < -5.9
    assert seen[:, 1].max() > 5.9


def test_rts_shows_digits_of_all_sizes_everywhere():
    images = distortions.rotated_scaled_translated(subset("train").images[:2000], generator())
    ink = images.squeeze(1) > 0.3
    rows, columns = ink.any(2).any(0), ink.any(1).any(0)
    assert rows.sum() >= 40
    assert columns.sum() >= 40
    original = distortions.as_images(subset("train").images[:2000]).sum((1, 2, 3))
    area = images.sum((1, 2, 3)) / original
    assert 0.45 < area.min() < 0.55
    assert 1.35 < area.max() < 1.5


def ink_lost(theta: torch.Tensor, digits: torch.Tensor, canvas: int) -> torch.Tensor:
    """Share of each digit's ink that falls outside of the canvas: what a canvas of twice the side also shows."""
    images = distortions.as_images(digits)
    wider = torch.diag(torch.tensor([2.0, 2.0, 1.0]))
    seen = warp(images, from_matrix(theta), "projective", (canvas, canvas), backend="aten")
    whole = warp(images, from_matrix(theta @ wider), "projective", (2 * canvas, 2 * canvas), backend="aten")
    return 1 - seen.sum((1, 2, 3)) / whole.sum((1, 2, 3))


def from_matrix(matrix: torch.Tensor) -> torch.Tensor:
    return matrix.flatten(1)[:, :8]


def homogeneous(theta: torch.Tensor) -> torch.Tensor:
    return torch.cat([theta, torch.tensor([0.0, 0.0, 1.0]).expand(len(theta), 1, 3)], dim=1)


def test_r_and_rts_show_digits_whole():
    digits = subset("train").images[:300]
    assert ink_lost(homogeneous(thetas.rotation(300, generator())), digits, 28).max() < 0.04
    assert ink_lost(homogeneous(thetas.rotation_scale_translation(300, generator())), digits, 42).max() < 0.04


def test_p_cuts_few_digits():
    theta = thetas.projective(1000, generator())
    matrix = torch.cat([theta, torch.ones(1000, 1)], dim=1).view(-1, 3, 3)
    lost = ink_lost(matrix, subset("train").images[:1000], 28)
    assert 0.001 < (lost > 0.1).double().mean() < 0.01


def test_p_matches_opencv():
    digits = subset("test").images[:8]
    theta = thetas.projective(8, generator()).double()
    seen = distortions.projected(digits, generator())
    to_normalised = torch.tensor([[1 / 14, 0, -13.5 / 14], [0, 1 / 14, -13.5 / 14], [0, 0, 1]], dtype=torch.float64)
    for digit, flat, ours in zip(distortions.as_images(digits), theta, seen, strict=True):
        full = torch.cat([flat, torch.ones(1)]).view(3, 3)
        in_pixels = torch.linalg.inv(to_normalised) @ full @ to_normalised
        theirs = cv2.warpPerspective(
            digit[0].numpy(), in_pixels.numpy(), (28, 28), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        )
        # OpenCV rounds positions to 1/32 pixel; the steepest edge of a digit rises by 1 in a pixel.
        assert abs(ours[0].numpy() - theirs).max() < 0.05


def test_p_shows_the_scaled_digit_when_corners_stay(monkeypatch):
    monkeypatch.setattr(thetas, "P_DISTANCE_PIXELS", 0.0)
    monkeypatch.setattr(thetas, "SHRINK", (0.75, 0.75))
    seen = centre_of_mass(distortions.projected(blob(8.0, -4.0)[None], generator()))
    torch.testing.assert_close(seen, torch.tensor([[6.0, -3.0]]).double(), rtol=0, atol=0.03)


def test_e_shows_the_scaled_digit_when_control_points_stay(monkeypatch):
    monkeypatch.setattr(thetas, "E_SIGMA_PIXELS", 0.0)
    monkeypatch.setattr(thetas, "SHRINK", (0.75, 0.75))
    seen = centre_of_mass(distortions.elastic(blob(8.0, -4.0)[None], generator()))
    torch.testing.assert_close(seen, torch.tensor([[6.0, -3.0]]).double(), rtol=0, atol=0.03)


def test_e_bends():
    spots = blob(8.0, 0.0, sigma=1.0) + blob(-8.0, 0.0, sigma=1.0)
    seen = distortions.elastic(spots.expand(300, 28, 28), generator())
    left, right = seen.clone(), seen.clone()
    left[..., 14:], right[..., :14] = 0, 0
    moved_apart = (centre_of_mass(right) - centre_of_mass(left))[:, 1]
    assert 0.8 < moved_apart.std() < 3, "both ends of the line move alike"


def test_a_third_of_tc_s_squares_are_blank():
    images = distortions.as_images(subset("train").images[:2000])
    pieces = clutter.draw(2000, digit=28, canvas=60, generator=generator())
    put_one = pieces._replace(donor=pieces.donor[:, :1], cut_from=pieces.cut_from[:, :1], put_at=pieces.put_at[:, :1])
    ink = clutter.strew(images, put_one, canvas=60).amax((1, 2, 3))
    assert 0.28 < (ink == 0).double().mean() < 0.36


def test_tc_is_the_placed_digit_plus_clutter():
    digits = subset("test").images[:32]
    seen = distortions.translated_cluttered(digits, generator())
    source = generator()
    theta = thetas.translation(32, source)
    pieces = clutter.draw(32, digit=28, canvas=60, generator=source)
    images = distortions.as_images(digits)
    placed = warp(images, theta, "affine", (60, 60))
    sums = placed + clutter.strew(images, pieces, canvas=60)
    assert (sums > 1.01).any(), "nothing overlaps: the cut-off is not seen"
    torch.testing.assert_close(seen, sums.clamp(max=1.0), rtol=0, atol=1e-5)


def cpu_seconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(3):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_is_distorted_at_once(name):
    """What makes fresh distortions affordable: 128 digits together take far less than 128 times one."""
    apply, digits = distortions.get(name).apply, subset("train").images[:128]
    together = cpu_seconds(lambda: apply(digits, generator()))
    one_by_one = cpu_seconds(lambda: [apply(digit, generator()) for digit in digits.split(1)])
    assert 3 * together < one_by_one


@pytest.mark.parametrize("shape", [(28, 28), (2, 1, 28, 28), (2, 32, 32), (0, 28, 28)])
def test_digits_of_another_shape(shape):
    with pytest.raises(ShapeError, match=r"digits: expected \(n, 28, 28\) with n > 0, got .*Use Digits.images"):
        distortions.rotated(torch.zeros(shape), generator())


def test_digits_that_are_no_tensor():
    with pytest.raises(DtypeError, match="digits: expected a torch.Tensor"):
        distortions.rotated(subset("test").images.numpy(), generator())


def test_an_unknown_distortion_names_the_nearest():
    with pytest.raises(
        OptionError, match="distortion: expected one of r, rts, p, e, tc, got 'rst'. Did you mean 'rts'"
    ):
        distortions.get("rst")
