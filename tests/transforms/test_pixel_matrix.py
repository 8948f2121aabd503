"""Pixel matrices of OpenCV, source to destination, and ours."""

import cv2
import numpy as np
import pytest
import torch

import unwarp
from support.generators import generator, smooth_image
from support.tolerances import assert_matches
from unwarp.errors import ShapeError
from unwarp.transforms import Affine, Projective, from_pixel_matrix, to_pixel_matrix

IN, OUT = (20, 30), (24, 18)


def source():
    return smooth_image(IN, waves=2)


def interior(expected, actual):
    difference = (torch.from_numpy(expected) - actual[0, 0]).abs()
    return difference[3:-3, 3:-3]


@pytest.mark.parametrize("align_corners", [False, True])
def test_affine_is_warp_affine(align_corners):
    matrix = cv2.getRotationMatrix2D((14.0, 11.0), 25.0, 0.9)
    expected = cv2.warpAffine(source()[0, 0].numpy(), matrix, OUT[::-1], borderMode=cv2.BORDER_REPLICATE)
    theta = Affine().from_matrix(from_pixel_matrix(torch.from_numpy(matrix), IN, OUT, align_corners=align_corners))
    warped = unwarp.warp(
        source(), theta[None].float(), "affine", OUT, padding_mode="border", align_corners=align_corners
    )
    assert interior(expected, warped).max() < 0.02  # OpenCV may round positions to 1/32 pixel
    assert interior(expected, warped).mean() < 0.005


@pytest.mark.parametrize("align_corners", [False, True])
def test_projective_is_warp_perspective(align_corners):
    corners = np.float32([[0, 0], [29, 0], [29, 19], [0, 19]])
    moved = np.float32([[2, 1], [16, 3], [15, 22], [1, 18]])
    matrix = cv2.getPerspectiveTransform(corners, moved)
    expected = cv2.warpPerspective(source()[0, 0].numpy(), matrix, OUT[::-1], borderMode=cv2.BORDER_REPLICATE)
    normalised = from_pixel_matrix(torch.from_numpy(matrix), IN, OUT, align_corners=align_corners)
    theta = Projective().from_matrix(normalised)[None].float()
    warped = unwarp.warp(source(), theta, "projective", OUT, padding_mode="border", align_corners=align_corners)
    assert interior(expected, warped).max() < 0.02
    assert interior(expected, warped).mean() < 0.005


def test_points_go_where_opencv_puts_them():
    matrix = cv2.getPerspectiveTransform(
        np.float32([[0, 0], [29, 0], [29, 19], [0, 19]]), np.float32([[2, 1], [16, 3], [15, 22], [1, 18]])
    )
    inputs = np.float64([[[3.0, 4.0], [20.0, 10.0], [7.5, 16.25]]])
    outputs = torch.from_numpy(cv2.perspectiveTransform(inputs, matrix)[0])
    theta = Projective().from_matrix(from_pixel_matrix(torch.from_numpy(matrix), IN, OUT))
    back = Projective()(theta, unwarp.coordinates.pixel_to_normalised(outputs, OUT))
    pixels = unwarp.coordinates.normalised_to_pixel(back, IN)
    torch.testing.assert_close(pixels, torch.from_numpy(inputs[0]), atol=1e-9, rtol=0)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_to_and_from_are_inverse(ndim, align_corners):
    drawn = torch.randn(4, ndim + 1, ndim + 1, generator=generator(), dtype=torch.float64) / 5
    matrix = torch.eye(ndim + 1, dtype=torch.float64) + drawn
    matrix = matrix / matrix[:, -1:, -1:]
    sizes = {"size_in": (5, 6, 7)[:ndim], "size_out": (8, 3, 9)[:ndim], "align_corners": align_corners}
    torch.testing.assert_close(from_pixel_matrix(to_pixel_matrix(matrix, **sizes), **sizes), matrix)


def test_the_picture_does_not_depend_on_align_corners():
    matrix = torch.tensor([[0.9, 0.2, 1.0], [-0.1, 1.1, 2.0]], dtype=torch.float64)
    warped = []
    for align_corners in (False, True):
        theta = from_pixel_matrix(matrix, IN, align_corners=align_corners)[None, :2]
        image = source().double()
        warped.append(unwarp.warp(image, theta, "affine", align_corners=align_corners, padding_mode="border"))
    assert_matches(*warped, "oracle")


def test_the_wrong_shape_is_refused():
    with pytest.raises(ShapeError, match=r"matrix: expected \(\*batch, 2, 3\)"):
        from_pixel_matrix(torch.eye(4), (5, 5))
    with pytest.raises(ShapeError, match="sizes of 2 and 3 axes"):
        to_pixel_matrix(torch.eye(3), (5, 5), (5, 5, 5))


@pytest.mark.parametrize("size", [(0, 4), (-3, 4), (4.0, 4.0)])
@pytest.mark.parametrize("convert", [from_pixel_matrix, to_pixel_matrix])
def test_sizes_that_are_none_are_refused(convert, size):
    for sizes in ((size,), ((4, 4), size)):
        with pytest.raises(ShapeError, match=r"size: expected 1 to .*, got \("):
            convert(torch.eye(3), *sizes)


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("convert", [from_pixel_matrix, to_pixel_matrix])
def test_one_number_is_the_size_of_every_axis(convert, ndim):
    matrix = torch.eye(ndim + 1) + torch.rand(ndim + 1, ndim + 1, generator=generator()) / 5
    assert torch.equal(convert(matrix, 5, 4), convert(matrix, (5,) * ndim, (4,) * ndim))


def test_integer_matrices_are_not_rounded():
    shift = torch.tensor([[1, 0, 2], [0, 1, 0]])
    assert torch.equal(from_pixel_matrix(shift, (28, 28)), from_pixel_matrix(shift.float(), (28, 28)))
    assert torch.equal(to_pixel_matrix(shift, (28, 28)), to_pixel_matrix(shift.float(), (28, 28)))
