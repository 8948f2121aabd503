import math

import pytest
import torch

from unwarp import viz
from unwarp.errors import OptionError, ShapeError
from unwarp.transforms import Affine, Attention, Bounded, Compose, Projective, ThinPlateSpline
from unwarp.viz.style import new_figure


def drawn_lines(ax):
    return [torch.tensor(line.get_xydata()) for line in ax.lines]


def outline(ax):
    """The outline is drawn before the dot, which is drawn last."""
    return drawn_lines(ax)[-2]


@pytest.mark.parametrize(
    ("align_corners", "low", "high"), [(False, (-0.5, -0.5), (59.5, 39.5)), (True, (0, 0), (59, 39))]
)
def test_the_identity_is_outlined_along_the_extent_of_the_image(align_corners, low, high):
    transform = Affine()
    points = outline(viz.draw_region(transform.identity(), transform, (40, 60), align_corners=align_corners))
    assert tuple(points.amin(0).tolist()) == low
    assert tuple(points.amax(0).tolist()) == high


def test_a_turned_region_has_its_corners_where_trigonometry_puts_them():
    angle, scale = math.radians(30), 0.5
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    theta = torch.tensor([[cos, -sin, 0.2], [sin, cos, -0.1]])
    lines = viz.region_lines(theta, Affine())
    # Top left, top right, bottom left, bottom right of the output.
    corners = [(-1, -1), (1, -1), (-1, 1), (1, 1)]
    expected = torch.tensor([(cos * x - sin * y + 0.2, sin * x + cos * y - 0.1) for x, y in corners])
    horizontal, vertical = lines[:2, [0, -1]], lines[2:, [0, -1]]
    torch.testing.assert_close(horizontal.flatten(0, 1), expected)
    torch.testing.assert_close(vertical.transpose(0, 1).flatten(0, 1), expected)


def test_the_outline_runs_once_around_the_region():
    points = outline(viz.draw_region(Affine().identity(), Affine(), (20, 20)))
    assert (points[1:] - points[:-1]).norm(dim=-1).max() <= 20 / 64
    assert points[0].tolist() == points[-1].tolist()


def test_the_dot_marks_where_the_first_output_pixel_is_taken_from():
    theta = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]])  # a quarter turn: (-1, -1) is taken from (1, -1)
    dot = drawn_lines(viz.draw_region(theta, Affine(), (20, 20)))[-1]
    assert dot.tolist() == [[19.5, -0.5]]


def test_the_lines_of_a_spline_cross_at_the_targets_of_its_control_points():
    transform = ThinPlateSpline(control=(4, 4))
    theta = transform.identity() + 0.1 * torch.randn(16, 2)
    lines = viz.region_lines(theta, transform, cells=3)
    horizontal, targets = lines[:4], theta.unflatten(0, (4, 4))
    distance = (horizontal[:, :, None] - targets[:, None]).norm(dim=-1).amin(dim=1)
    # The first and last of 65 points lie on the corners exactly; 1/3 falls between two points, 1/32 apart.
    assert distance[:, [0, 3]].max() < 1e-4
    assert distance.max() < 0.05


def test_families_given_by_a_matrix_show_an_outline_and_the_others_a_grid():
    outlined = viz.draw_region(Projective().identity(), Projective(), (28, 28))
    curved = viz.draw_region(ThinPlateSpline().identity(), ThinPlateSpline(), (28, 28))
    assert len(outlined.lines) == 2
    assert len(curved.lines) == 2 + 2 * 5


def test_k_transformers_have_a_colour_each_and_one_entry_in_the_legend():
    theta = torch.tensor([[0.5, -0.4, -0.3], [0.5, 0.4, 0.3], [0.3, 0.0, 0.0]])
    ax = viz.draw_region(theta, Attention(), (42, 42), label="regions")
    assert len({line.get_color() for line in ax.lines}) == 3
    assert ax.get_legend_handles_labels()[1] == ["regions"]


def test_the_axes_keep_their_limits():
    ax = new_figure(3, 3).add_subplot()
    ax.imshow(torch.rand(30, 40).numpy())
    before = ax.axis()
    viz.draw_region(torch.tensor([[3.0, 0.0, 2.0], [0.0, 3.0, 0.0]]), Affine(), (30, 40), ax=ax)
    assert ax.axis() == before


def test_what_lies_behind_the_horizon_is_left_out():
    transform = Projective()
    matrix = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [2.0, 0.0, 1.0]])
    points = outline(viz.draw_region(transform.from_matrix(matrix), transform, (28, 28)))
    assert points.isnan().any()
    assert points[~points.isnan()].abs().max() < 1500


def test_theta_may_carry_a_gradient_and_any_float():
    transform = Affine()
    theta = transform.identity().to(torch.bfloat16).requires_grad_()
    assert outline(viz.draw_region(theta, transform, (10, 10))).amax() == 9.5


def test_refuses_volumes_and_empty_grids_and_theta_of_another_family():
    with pytest.raises(OptionError, match="transform: expected one of 2 dimensions"):
        viz.draw_region(Affine(3).identity(), Affine(3), (8, 8))
    for cells in (-2, 0):
        with pytest.raises(OptionError, match=f"cells: expected at least 1, got {cells}"):
            viz.draw_region(Affine().identity(), Affine(), (8, 8), cells=cells)
    with pytest.raises(ShapeError, match="theta"):
        viz.draw_region(torch.zeros(7), Affine(), (8, 8))


@pytest.mark.parametrize("transform", [Bounded(Affine()), Compose(Affine(), Attention())])
def test_wrapped_matrices_are_drawn_as_an_outline(transform):
    assert len(viz.draw_region(transform.identity(), transform, (8, 8)).lines) == 2


@pytest.mark.parametrize("transform", [ThinPlateSpline(), Bounded(ThinPlateSpline())])
def test_curved_families_are_drawn_as_a_grid(transform):
    assert len(viz.draw_region(transform.identity(), transform, (8, 8)).lines) > 2
