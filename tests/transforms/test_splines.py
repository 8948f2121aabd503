"""The families that displace control points, against scikit-image and scipy, and the laws of their bases."""

import numpy as np
import pytest
import scipy.interpolate
import skimage.transform
import torch

import unwarp
from support.families import DIMENSIONS, points_inside
from support.generators import generator, image, theta_near_identity
from support.tolerances import assert_matches, assert_same
from unwarp.errors import OptionError, ShapeError
from unwarp.transforms import (
    BSpline,
    Diffeomorphic,
    Flow,
    LearnedBasis,
    PiecewiseAffine,
    StationaryVelocity,
    ThinPlateSpline,
)

SPLINES = {"piecewise_affine": PiecewiseAffine, "thin_plate_spline": ThinPlateSpline, "b_spline": BSpline}
every_spline = pytest.mark.parametrize("family", list(SPLINES))
every_dimension = pytest.mark.parametrize("ndim", DIMENSIONS)


@every_dimension
@every_spline
def test_affine_displacements_give_that_affine_map(family, ndim):
    transform = SPLINES[family]((4, 3, 5)[:ndim], ndim=ndim).double()
    linear = torch.randn(ndim, ndim, generator=generator(1), dtype=torch.float64)
    shift = torch.randn(ndim, generator=generator(2), dtype=torch.float64)
    points = 1.5 * points_inside(ndim, 50)  # also beyond the lattice
    mapped = transform(transform.control @ linear.mT + shift, points)
    torch.testing.assert_close(mapped, points @ linear.mT + shift, atol=1e-6, rtol=1e-6)  # control in float32


@every_dimension
@pytest.mark.parametrize("family", ["piecewise_affine", "thin_plate_spline"])
def test_control_points_sample_at_theta(family, ndim):
    transform = SPLINES[family](ndim=ndim)
    theta = theta_near_identity(transform, batch=1)[0]
    torch.testing.assert_close(transform(theta, transform.control.double()), theta, atol=1e-6, rtol=0)


@every_dimension
@every_spline
def test_warp_takes_the_basis_route_to_the_same_place(family, ndim):
    transform = SPLINES[family](ndim=ndim)
    source, theta = image((6, 5, 4)[:ndim], dtype=torch.float64), theta_near_identity(transform)
    grid = transform(theta, unwarp.make_grid((3, 4, 5)[:ndim], dtype=torch.float64))
    warped = unwarp.warp(source, theta, transform, (3, 4, 5)[:ndim])
    assert_matches(warped, unwarp.sample(source, grid), "oracle")


def test_thin_plate_spline_is_that_of_scikit_image():
    transform = ThinPlateSpline((3, 4)).double()
    theta, points = theta_near_identity(transform, batch=1)[0], points_inside(2, 50)
    oracle = skimage.transform.ThinPlateSplineTransform.from_estimate(transform.control.numpy(), theta.numpy())
    expected = torch.from_numpy(oracle(points.numpy()))
    torch.testing.assert_close(transform(theta, points), expected, atol=1e-7, rtol=0)  # it adds 1e-8 within the log


@every_dimension
@pytest.mark.parametrize("regularisation", [0.0, 0.5])
def test_thin_plate_spline_is_that_of_scipy(regularisation, ndim):
    kernel = {1: "cubic", 2: "thin_plate_spline", 3: "linear"}[ndim]
    transform = ThinPlateSpline((3,) * ndim, ndim=ndim, regularisation=regularisation).double()
    theta, points = theta_near_identity(transform, batch=1)[0], points_inside(ndim, 30)
    oracle = scipy.interpolate.RBFInterpolator(
        transform.control.numpy(), theta.numpy(), kernel=kernel, degree=1, smoothing=regularisation
    )
    torch.testing.assert_close(transform(theta, points), torch.from_numpy(oracle(points.numpy())), atol=1e-9, rtol=0)


@pytest.mark.parametrize("ndim", [2, 3])
def test_piecewise_affine_is_linear_on_a_delaunay_mesh_of_one_cell_sheared(ndim):
    # A sheared cell has one Delaunay mesh, and it is ours: scipy then needs no help to find our diagonals.
    transform = PiecewiseAffine((2,) * ndim, ndim=ndim).double()
    theta, points = theta_near_identity(transform, batch=1)[0], points_inside(ndim, 60)
    shear = torch.eye(ndim, dtype=torch.float64) - 0.15 * torch.ones(ndim, ndim, dtype=torch.float64)
    oracle = scipy.interpolate.LinearNDInterpolator((transform.control @ shear).numpy(), theta.numpy())
    expected = torch.from_numpy(oracle((points @ shear).numpy()))
    assert_matches(transform(theta, points), expected, "oracle")


def test_piecewise_affine_is_that_of_scikit_image():
    transform = PiecewiseAffine((2, 2)).double()
    theta = theta_near_identity(transform, batch=1)[0]
    points = points_inside(2, 400)
    # Along the diagonal that we split the square by, any triangulation agrees only where it chose the same one.
    oracle = skimage.transform.PiecewiseAffineTransform.from_estimate(transform.control.numpy(), theta.numpy())
    split_as_ours = {tuple(sorted(corners)) for corners in oracle._tesselation.simplices.tolist()} == {
        (0, 1, 3),
        (0, 2, 3),
    }
    same = points[:, 0] > points[:, 1] if split_as_ours else points[:, 0] * 0 > 1
    edges = points.clone()
    edges[:, 1] = -1 + 1e-9  # on the edges of the square the meshes cannot differ
    expected = torch.from_numpy(oracle(edges.numpy()))
    torch.testing.assert_close(transform(theta, edges), expected, atol=1e-8, rtol=0)
    if split_as_ours:
        assert_matches(transform(theta, points[same]), torch.from_numpy(oracle(points[same].numpy())), "oracle")


def test_piecewise_affine_goes_on_beyond_the_lattice_with_the_nearest_triangle():
    transform = PiecewiseAffine((3, 3)).double()
    theta = theta_near_identity(transform, batch=1)[0]
    for inside, step in (((0.9, 0.3), (0.2, 0.01)), ((-0.9, -0.4), (-0.3, 0.02)), ((0.2, -0.95), (0.01, -0.4))):
        start, step = torch.tensor(inside, dtype=torch.float64), torch.tensor(step, dtype=torch.float64)
        jacobian = torch.func.jacrev(lambda x: transform(theta, x[None])[0])(start)
        assert_matches(
            transform(theta, (start + step)[None])[0], transform(theta, start[None])[0] + jacobian @ step, "oracle"
        )


def test_a_triangle_with_no_area_is_a_map_like_any_other():
    transform = PiecewiseAffine((3, 3))
    theta = torch.zeros(9, 2, requires_grad=True)
    mapped = transform(theta, points_inside(2, 20, dtype=torch.float32))
    assert mapped.abs().max() < 1e-6
    mapped.sum().backward()
    assert theta.grad.sum() == pytest.approx(40, abs=1e-4)


@every_dimension
def test_b_spline_is_that_of_scipy(ndim):
    counts = (5, 4, 6)[:ndim]
    transform = BSpline(counts, ndim=ndim).double()
    theta, points = theta_near_identity(transform, batch=1)[0], points_inside(ndim, 30)
    displacement = (theta - transform.control).numpy().reshape(*counts, ndim)
    extended = np.pad(displacement, [(1, 1)] * ndim + [(0, 0)], mode="reflect", reflect_type="odd")
    knots = [np.arange(-3.0, n + 3) for n in counts]
    units = [(points[:, ndim - 1 - i].numpy() + 1) / 2 * (n - 1) for i, n in enumerate(counts)]
    oracle = scipy.interpolate.NdBSpline(tuple(knots), extended, 3)
    expected = points + torch.from_numpy(oracle(np.stack(units, axis=-1)))
    torch.testing.assert_close(transform(theta, points), expected, atol=1e-7, rtol=0)  # control in float32


def test_b_spline_control_points_act_nearby_alone():
    transform = BSpline((9, 9))
    theta = transform.identity(dtype=torch.float64)
    theta[40] += 1.0
    far = points_inside(2, 300)
    far = far[far.abs().amax(-1) > 0.51]
    assert torch.equal(transform(theta, far), far)
    centre = transform(theta, torch.zeros(1, 2, dtype=torch.float64))
    assert centre[0, 0] == pytest.approx(4 / 9, abs=1e-6)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
@every_dimension
@every_spline
def test_derivatives_at_a_control_point_are_finite(family, ndim):
    transform = SPLINES[family]((3,) * ndim, ndim=ndim).double()
    theta = theta_near_identity(transform, batch=1)[0]
    where = transform.control[len(transform.control) // 2].clone()

    def mapped(x):
        return transform(theta, x[None])[0].sum()

    assert torch.func.grad(mapped)(where).isfinite().all()
    second = torch.func.hessian(mapped)(where)
    assert second.isfinite().all()
    assert second.abs().max() < 100


def test_bending_energy_is_zero_for_affine_maps_and_grows_with_the_square():
    for ndim in DIMENSIONS:
        transform = ThinPlateSpline((3,) * ndim, ndim=ndim).double()
        theta = theta_near_identity(transform, batch=4)
        control = transform.control
        assert transform.bending_energy(control * 1.3 + 0.2).abs() < 1e-9
        energy = transform.bending_energy(theta)
        assert energy.shape == (4,)
        assert (energy > 1e-7).all()
        torch.testing.assert_close(transform.bending_energy(2 * theta - control), 4 * energy)


@pytest.mark.parametrize("regularisation", [0.0, 0.1, 1.0])
def test_bending_energy_is_the_integral_of_the_squared_second_derivative(regularisation):
    """But for a factor, which is 12 of r^3: the integral of its second derivative twice, 6 |r| against 6 |r|."""
    transform = ThinPlateSpline((5,), ndim=1, regularisation=regularisation)
    theta = theta_near_identity(transform, batch=1)[0]
    points = torch.linspace(-1, 1, 2001, dtype=torch.float64)
    mapped = transform(theta, points[:, None])[:, 0]
    bends = mapped.diff(n=2) / (points[1] - points[0]) ** 2
    integral = bends.square().sum() * (points[1] - points[0])
    torch.testing.assert_close(transform.bending_energy(theta) * 12, integral, rtol=1e-4, atol=0)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_the_b_spline_has_its_second_derivative_on_the_lines_of_its_lattice():
    transform = BSpline((5,), ndim=1)
    theta = transform.identity(dtype=torch.float64) + torch.tensor([[0.0], [0.3], [-0.2], [0.4], [0.0]])

    def bend(x):
        return torch.func.hessian(lambda point: transform(theta, point[None])[0, 0])(x).squeeze()

    for line in (-0.5, 0.0, 0.5):
        at, beside = (bend(torch.tensor([x], dtype=torch.float64)) for x in (line, line + 1e-7))
        assert at.abs() > 0.1
        torch.testing.assert_close(at, beside, rtol=1e-4, atol=1e-5)


def test_control_points_that_determine_no_spline_are_refused():
    line = torch.tensor([[0.0, 0.0], [0.1, 0.1], [0.3, 0.3], [0.7, 0.7]])
    repeated = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    for control in (line, repeated, line[:2]):
        with pytest.raises(ShapeError, match="control: expected at least 3 distinct points"):
            ThinPlateSpline(control)


@pytest.mark.parametrize("family", ["piecewise_affine", "b_spline"])
@pytest.mark.parametrize("control", [(1, 3), (4,), 4, "44", (4.0, 4.0)])
def test_lattices_need_two_points_an_axis(family, control):
    with pytest.raises(OptionError, match="control: expected 2 counts of at least 2"):
        SPLINES[family](control)


def test_two_rows_of_fiducial_points_rectify_text():
    # The usual control of OCR: two rows of ten, bent into an arc and straightened again.
    x = torch.linspace(-1, 1, 10)
    control = torch.cat([torch.stack([x, torch.full_like(x, y)], dim=-1) for y in (-1.0, 1.0)])
    transform = ThinPlateSpline(control)
    arc = control + torch.stack([torch.zeros(20), 0.3 * (1 - control[:, 0] ** 2)], dim=-1)
    torch.testing.assert_close(transform(arc, control), arc, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "family", [ThinPlateSpline(), BSpline(), LearnedBasis(), Diffeomorphic()], ids=lambda f: f.name
)
def test_autocast_does_not_round_points(family):
    theta = theta_near_identity(family, dtype=torch.float32)
    points = torch.rand(len(theta), 7, 2, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        rounded = family.transform_points(theta, points)
    assert_same(rounded, family.transform_points(theta, points))


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda: StationaryVelocity(8), "size"),
        (lambda: Flow(8), "size"),
        (lambda: Flow((8.0, 8.0)), "size"),
        (lambda: Diffeomorphic(3), "tessellation"),
        (lambda: ThinPlateSpline(4), "control"),
        (lambda: ThinPlateSpline((4, 1)), "control"),
    ],
)
def test_wrong_counts_name_their_argument(make, argument):
    with pytest.raises(OptionError, match=rf"^{argument}: expected 2 counts of at least [12], in tensor order, got"):
        make()


def test_counts_may_be_of_numpy():
    assert BSpline((np.int64(3), np.int32(5))).counts == (3, 5)


@pytest.mark.parametrize("wrong", [-0.1, float("nan"), float("inf"), "2", None])
def test_regularisation_is_a_number(wrong):
    with pytest.raises(OptionError, match="regularisation: expected 0 or a positive number, got"):
        ThinPlateSpline(regularisation=wrong)


@pytest.mark.parametrize("wrong", [torch.tensor(2), 4, "44", (4, 4, 4), (1, 4)])
@pytest.mark.parametrize("family", [BSpline, PiecewiseAffine])
def test_a_lattice_has_a_count_along_each_axis(family, wrong):
    with pytest.raises(OptionError, match="control: expected 2 counts of at least 2, in tensor order, got"):
        family(wrong)
