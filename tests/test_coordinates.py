"""Pixels, normalised coordinates and the factors between them, against the formulas they stand for."""

import pytest
import torch

from support.oracles import torch_grid
from support.tolerances import assert_matches, assert_same
from unwarp import coordinates

ALIGNMENTS = pytest.mark.parametrize("align_corners", [False, True])


@ALIGNMENTS
@pytest.mark.parametrize("size", [(1,), (7,), (28, 5), (1, 9), (3, 4, 5)])
def test_a_regular_grid_is_the_identity_grid_of_torch(size, align_corners):
    grid = coordinates.regular_grid(size, align_corners=align_corners, dtype=torch.float64, device=None)
    assert grid.shape == (*size, len(size))
    padded = (1,) * (2 - len(size)) + size
    theta = torch.eye(max(len(size), 2), max(len(size), 2) + 1, dtype=torch.float64)[None]
    expected = torch_grid(theta, padded, align_corners=align_corners)[0]
    assert_matches(grid.reshape(*padded, -1), expected[..., : len(size)], "rearranged")


@ALIGNMENTS
def test_axes_are_x_y_z_while_sizes_are_d_h_w(align_corners):
    grid = coordinates.regular_grid((2, 3, 4), align_corners=align_corners, dtype=torch.float32, device=None)
    assert (grid[0, 0, :, 0].diff() > 0).all()
    assert (grid[0, :, 0, 1].diff() > 0).all()
    assert (grid[:, 0, 0, 2].diff() > 0).all()
    assert grid[0, 0, 0].tolist() == grid.flatten(0, -2)[0].tolist()


@pytest.mark.parametrize(("align_corners", "edges"), [(False, (-0.5, 27.5)), (True, (0.0, 27.0))])
def test_minus_one_and_one_are_the_edges_or_the_centres_of_the_border_pixels(align_corners, edges):
    ends = coordinates.normalised_to_pixel(torch.tensor([[-1.0], [1.0]]), (28,), align_corners=align_corners)
    assert ends.flatten().tolist() == list(edges)


@ALIGNMENTS
@pytest.mark.parametrize("size", [(7, 5), (4, 9, 6)])
def test_pixels_to_normalised_and_back(size, align_corners):
    points = 10 * torch.randn(50, len(size), dtype=torch.float64)
    there = coordinates.pixel_to_normalised(points, size, align_corners=align_corners)
    back = coordinates.normalised_to_pixel(there, size, align_corners=align_corners)
    assert_matches(back, points, "oracle")


def test_an_axis_of_one_pixel_has_finite_coordinates():
    points = torch.tensor([[0.0, 3.0]])
    assert coordinates.pixel_to_normalised(points, (4, 1), align_corners=True).tolist() == [[0.0, 1.0]]
    assert coordinates.extent_ratios((1, 4), (1, 4), align_corners=True) == (1.0, 0.0)
    assert coordinates.extent_ratios((5,), (1,), align_corners=True) == (0.0,)


@ALIGNMENTS
@pytest.mark.parametrize("size", [1, 7, 28, 49, 63, 1023, 4096])
def test_the_ratio_of_equal_sizes_is_exactly_one(size, align_corners):
    (ratio,) = coordinates.extent_ratios((size,), (size,), align_corners=align_corners)
    assert ratio == (0.0 if size == 1 and align_corners else 1.0)


@ALIGNMENTS
def test_a_pixel_matrix_maps_pixels_as_the_matrix_maps_normalised_points(align_corners):
    size_in, size_out = (9, 6), (4, 11)
    matrix = torch.eye(3, dtype=torch.float64) + 0.2 * torch.randn(3, 3, dtype=torch.float64)
    normalised = coordinates.regular_grid(size_out, align_corners=align_corners, dtype=torch.float64, device=None)
    mapped = coordinates.apply_matrix(matrix, normalised.flatten(0, -2), far=1.0)
    expected = coordinates.normalised_to_pixel(mapped, size_in, align_corners=align_corners)
    in_pixels = coordinates.pixel_matrix(matrix, size_in, size_out, align_corners=align_corners)
    centred = coordinates.centred_grid(size_out, dtype=torch.float64, device=None).flatten(0, -2)
    actual = coordinates.apply_matrix(in_pixels, centred, far=1.0) + torch.tensor([2.5, 4.0])
    assert_matches(actual, expected, "oracle")


def test_apply_matrix_is_a_homogeneous_product():
    points = torch.randn(20, 3, dtype=torch.float64)
    matrix = torch.eye(4, dtype=torch.float64) + 0.1 * torch.randn(2, 4, 4, dtype=torch.float64)
    product = torch.cat([points, torch.ones(20, 1, dtype=torch.float64)], -1) @ matrix.mT
    assert_matches(coordinates.apply_matrix(matrix[:, :3], points, far=1.0), product[..., :3], "oracle")
    expected = product[..., :3] / product[..., 3:]
    assert_matches(coordinates.apply_matrix(matrix, points, far=1.0), expected, "oracle")


def test_a_point_behind_the_horizon_is_far_away_and_passes_no_gradient():
    matrix = torch.eye(3, dtype=torch.float64)
    matrix[2, 0] = -1.0  # w = 1 - x
    matrix.requires_grad_()
    points = torch.tensor([[1.0, -0.5], [2.0, 0.5], [0.5, 0.5]], dtype=torch.float64)
    mapped = coordinates.apply_matrix(matrix, points, far=2.0**20)
    assert mapped.tolist() == [[2.0**20, -(2.0**20)], [2.0**20, 2.0**20], [1.0, 1.0]]
    (slope,) = torch.autograd.grad(mapped[:2].sum(), matrix)
    assert not slope.any()


@pytest.mark.parametrize(
    ("dtypes", "expected"),
    [
        ((torch.float16, torch.bfloat16), torch.float32),
        ((torch.uint8, torch.float32), torch.float32),
        ((torch.float16, torch.float64), torch.float64),
        ((torch.complex128, torch.float32), torch.float64),
        ((torch.complex64, torch.float16), torch.float32),
    ],
)
def test_points_are_float32_or_float64_where_any_input_is(dtypes, expected):
    assert coordinates.point_dtype(*(torch.zeros(1, dtype=dtype) for dtype in dtypes)) == expected


def test_autocast_is_off_inside_full_precision_and_meta_tensors_have_none_to_turn_off():
    with torch.autocast("cpu", torch.bfloat16), coordinates.full_precision(torch.device("cpu")):
        assert (torch.eye(3) @ torch.eye(3)).dtype == torch.float32
    with coordinates.full_precision(torch.device("meta")):
        pass


def test_corner_points_run_x_first():
    corners = coordinates.corner_grid((2, 3), dtype=torch.float32)
    assert corners.tolist() == [[-1, -1], [0, -1], [1, -1], [-1, 1], [0, 1], [1, 1]]


def test_a_vector_has_the_dtype_of_its_neighbour():
    assert_same(
        coordinates.vector((1.0, 2.5), like=torch.zeros(1, dtype=torch.float64)), torch.tensor([1, 2.5]).double()
    )


def test_integer_pixels_lie_between_the_integers_of_normalised_coordinates():
    pixels = torch.tensor([[0, 0], [27, 13]])
    for align_corners in (False, True):
        found = coordinates.pixel_to_normalised(pixels, (28, 28), align_corners=align_corners)
        assert torch.equal(
            found, coordinates.pixel_to_normalised(pixels.float(), (28, 28), align_corners=align_corners)
        )
    assert found[1, 1].item() == pytest.approx(13 / 13.5 - 1)
    ends = coordinates.normalised_to_pixel(torch.tensor([[-1, 1]]), (28, 28))
    assert torch.equal(ends, torch.tensor([[-0.5, 27.5]]))
