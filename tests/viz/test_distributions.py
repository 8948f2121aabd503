import pytest
import torch

from unwarp import viz
from unwarp.errors import ShapeError
from unwarp.transforms import TRANSFORMS, Affine, Similarity, ThinPlateSpline
from unwarp.viz.distributions import entry_names
from unwarp.viz.style import new_figure


def test_every_entry_has_its_box_and_the_identity():
    theta = torch.randn(60, 2, 3)
    ax = viz.theta_distribution(theta, Affine())
    assert [label.get_text() for label in ax.get_xticklabels()] == entry_names(Affine())
    (identity,) = ax.collections
    heights = [segment[0][1] for segment in identity.get_segments()]
    assert heights == Affine().identity().flatten().tolist()
    medians = [
        line.get_ydata()[0] for line in ax.lines if len(set(line.get_ydata())) == 1 and len(line.get_ydata()) == 2
    ]
    for value in theta.flatten(1).double().quantile(0.5, dim=0):
        assert min(abs(value.item() - median) for median in medians) < 1e-6


def test_control_points_are_drawn_where_they_are():
    spline = ThinPlateSpline(control=(2, 3))
    theta = spline.identity() + 0.01 * torch.randn(50, 6, 2)
    ax = viz.theta_distribution(theta, spline)
    clouds = [torch.tensor(line.get_xydata()) for line in ax.lines[:6]]
    for cloud, point in zip(clouds, spline.identity(), strict=True):
        assert (cloud.mean(0) - point).abs().max() < 0.02
    low, high = ax.get_ylim()
    assert low > high, "y points down, as in the image"


@pytest.mark.parametrize("name", list(TRANSFORMS))
def test_every_family(name):
    family = TRANSFORMS[name]()
    viz.encode_png(viz.theta_distribution(family.start().expand(3, *family.theta_shape), family).figure, dpi=30)


def test_draws_on_given_axes():
    ax = new_figure(3, 3).add_subplot()
    assert viz.theta_distribution(torch.zeros(2, 4), Similarity(), ax=ax) is ax


def test_another_families_theta_is_refused():
    with pytest.raises(ShapeError, match=r"expected \(batch, 4\), got \(2, 2, 3\)"):
        viz.theta_distribution(torch.zeros(2, 2, 3), Similarity())


@pytest.mark.parametrize("name", ["affine", "thin_plate_spline"])
@pytest.mark.parametrize("share", [0.1, 1.0])
def test_what_is_not_finite_is_left_out(name, share):
    transform = TRANSFORMS[name]()
    theta = transform.identity().expand(20, *transform.theta_shape).clone()
    theta[: int(20 * share)] = torch.nan
    theta[-1].flatten()[0] = torch.inf
    axes = viz.theta_distribution(theta, transform)
    assert viz.encode_png(axes.figure)
    assert all(abs(end) < 10 for end in axes.get_ylim())


def test_more_numbers_than_a_quantile_of_torch_takes():
    transform = ThinPlateSpline((8, 8))
    theta = transform.identity().expand(2**18, *transform.theta_shape)
    assert abs(viz.theta_distribution(theta, transform).get_xlim()[1] - 1.1) < 1e-6
