"""Laws that every family obeys, in every dimension; where a law does not exist for a family, the error says why."""

import copy
import io
import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import unwarp
from support.families import CASES, DIMENSIONS, WITHOUT_IDENTITY, default, points_inside, small
from support.generators import generator, image, theta_near_identity
from support.tolerances import assert_matches
from unwarp.errors import OptionError, ShapeError, UnsupportedError
from unwarp.transforms import TRANSFORMS, resolve

MATRICES = ("translation", "attention", "rigid", "similarity", "affine", "projective")
INVERTIBLE = (*MATRICES, "diffeomorphic", "inverse")
COMPOSABLE = (*MATRICES, "inverse")
LINEAR = ("piecewise_affine", "thin_plate_spline", "b_spline")
WITH_MATRIX = (*MATRICES, "inverse", "bounded")

every_case = pytest.mark.parametrize(("family", "ndim"), CASES)


def cases_without(*families):
    return pytest.mark.parametrize(("family", "ndim"), [case for case in CASES if case[0] not in families])


@cases_without(*WITHOUT_IDENTITY)
@pytest.mark.parametrize("n", [1, 7, 63])
def test_the_identity_returns_the_image(family, ndim, n):
    size = (n, 3, 2)[:ndim]
    transform = default(family, ndim)
    for align_corners in (False, True):
        for dtype in (torch.float32, torch.float64, torch.float16):
            source = image(size, batch=1, channels=1, dtype=dtype)
            theta = transform.identity(dtype=dtype)[None]
            warped = unwarp.warp(source, theta, transform, mode="bilinear", align_corners=align_corners)
            assert torch.equal(warped, source), (align_corners, dtype)


@every_case
def test_the_identity_leaves_points_where_they_are(family, ndim):
    points = points_inside(ndim, 20, dtype=torch.float32)
    transform = default(family, ndim)
    assert transform.start().shape == transform.theta_shape
    if family in WITHOUT_IDENTITY:
        with pytest.raises(UnsupportedError, match=f"{type(transform).__name__}.identity: .* start"):
            transform.identity()
        return
    assert torch.equal(transform.start(), transform.identity())
    assert torch.equal(transform(transform.identity(), points), points)


@every_case
def test_a_theta_moves_points(family, ndim):
    transform = default(family, ndim)
    points = points_inside(ndim, 20)
    moved = transform(theta_near_identity(transform, spread=0.2), points)
    assert moved.shape == (2, 20, ndim)
    assert ((moved - points).abs().amax((0, 1)) > 0.01).all()


@cases_without("stationary_velocity")  # exact in the limit: see there
def test_the_inverse_undoes_the_map(family, ndim):
    transform = default(family, ndim)
    theta, points = theta_near_identity(transform, spread=0.15), points_inside(ndim, 40)
    if family not in INVERTIBLE:
        with pytest.raises(UnsupportedError, match=f"{type(transform).__name__}.inverse: "):
            transform.inverse(theta)
        return
    inverse = transform.inverse(theta)
    back = transform.transform_points(inverse, transform(theta, points))
    assert_matches(back, points.expand_as(back), "oracle")


@cases_without("flow")  # exact at the pixels of the field: see there
def test_a_composition_applies_one_after_the_other(family, ndim):
    transform = default(family, ndim)
    outer, inner = theta_near_identity(transform, seed=1), theta_near_identity(transform, seed=2)
    points = points_inside(ndim, 40)
    if family not in COMPOSABLE:
        with pytest.raises(UnsupportedError, match=f"{type(transform).__name__}.compose: .*Compose"):
            transform.compose(outer, inner)
        return
    expected = transform.transform_points(outer, transform(inner, points))
    assert_matches(transform(transform.compose(outer, inner), points), expected, "oracle")


@every_case
def test_the_matrix_is_the_map(family, ndim):
    transform = default(family, ndim)
    theta, points = theta_near_identity(transform), points_inside(ndim, 10)
    assert transform.has_matrix is (family in WITH_MATRIX)
    if not transform.has_matrix:
        with pytest.raises(UnsupportedError, match="not given by a matrix"):
            transform.matrix(theta)
        return
    lifted = torch.cat([points, torch.ones(10, 1, dtype=points.dtype)], dim=-1) @ transform.matrix(theta).mT
    assert_matches(transform(theta, points), lifted[..., :-1] / lifted[..., -1:], "oracle")


@every_case
def test_the_basis_is_the_map(family, ndim):
    transform = default(family, ndim).double() if family == "learned_basis" else default(family, ndim)
    theta, points = theta_near_identity(transform), points_inside(ndim, 10)
    if family == "learned_basis":
        assert_matches(transform(theta, points), transform.basis(points) @ theta.mT, "oracle")
    elif family in LINEAR:
        basis = transform.basis(points)
        expected = points + basis @ (theta - transform.control.double())
        assert_matches(transform(theta, points), expected, "oracle")
        assert_matches(basis.sum(-1), torch.ones(10, dtype=torch.float64), "oracle")
    else:
        with pytest.raises(UnsupportedError, match="not linear in theta"):
            transform.basis(points)


@every_case
def test_a_batch_is_a_loop_and_points_may_differ_by_sample(family, ndim):
    transform = default(family, ndim)
    theta = theta_near_identity(transform, batch=6)
    shared, own = points_inside(ndim, 10), points_inside(ndim, 60).view(6, 10, ndim)
    batched = transform(theta.view(2, 3, *transform.theta_shape), shared.view(2, 5, ndim))
    assert batched.shape == (2, 3, 2, 5, ndim)
    loop = torch.stack([transform(one, shared) for one in theta])
    assert_matches(batched.reshape(6, 10, ndim), loop, "oracle")
    separate = torch.stack([transform(one, points) for one, points in zip(theta, own, strict=True)])
    assert_matches(transform.transform_points(theta, own), separate, "oracle")


@every_case
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(family, ndim, dtype):
    transform = default(family, ndim)
    theta = theta_near_identity(transform, dtype=dtype)
    points = points_inside(ndim, 10, dtype=torch.float32)
    mapped = transform(theta, points)
    assert mapped.dtype is torch.float32
    if family in ("affine", "flow", "diffeomorphic", "stationary_velocity", "projective", "translation"):
        # Not those whose theta is a position: theirs is relative to control points rounded in the same way.
        assert_matches(mapped, transform(theta.float(), points), "rearranged")
    assert transform(theta.double(), points).dtype is torch.float64
    with torch.autocast("cpu", dtype=dtype):
        assert torch.equal(transform(theta, points), mapped)


@every_case
def test_wrong_shapes_are_refused(family, ndim):
    transform = default(family, ndim)
    wrong = torch.zeros(2, *transform.theta_shape[:-1], transform.theta_shape[-1] + 1)
    with pytest.raises(ShapeError, match=rf"theta: expected .* for {type(transform).__name__}, got"):
        transform(wrong, points_inside(ndim, 2))
    with pytest.raises(ShapeError, match=rf"points: expected \(\.\.\., {ndim}\)"):
        transform(transform.start(), torch.zeros(2, ndim + 1))
    other = ndim % 3 + 1
    with pytest.raises(ShapeError, match=f"ndim={other}" if other in transform.dimensions else "does not exist"):
        resolve(transform, other)


@pytest.mark.parametrize("family", WITHOUT_IDENTITY)
def test_a_dimension_in_which_a_family_does_not_exist_is_refused(family):
    for ndim in (0, 1, 4):
        with pytest.raises(OptionError, match=rf"ndim: expected .* for {TRANSFORMS[family].__name__}, got {ndim}\."):
            TRANSFORMS[family](ndim=ndim)


@pytest.mark.parametrize("ndim", [2.0, True, "2", 0, 10**20])
@pytest.mark.parametrize("family", TRANSFORMS)
def test_a_dimension_is_an_integer(family, ndim):
    with pytest.raises(OptionError, match=rf"ndim: expected .*, got {ndim!r}\."):
        TRANSFORMS[family](ndim=ndim)


@pytest.mark.parametrize("family", [*INVERTIBLE, "stationary_velocity"])
def test_inverses_of_wrong_shapes_are_refused(family):
    with pytest.raises(ShapeError, match=r"theta: expected \(\*batch, .*, got \(1, 1, 1\)"):
        default(family, 2).inverse(torch.zeros(1, 1, 1))


@pytest.mark.parametrize("family", [*COMPOSABLE, "flow"])
def test_compositions_of_wrong_shapes_are_refused(family):
    transform, wrong = default(family, 2), torch.zeros(1, 1, 1)
    for pair in ((transform.identity(), wrong), (wrong, transform.identity())):
        with pytest.raises(ShapeError, match=r"theta: expected \(\*batch, .*, got \(1, 1, 1\)"):
            transform.compose(*pair)


@every_case
@pytest.mark.parametrize("value", [0.0, 1e30, -1e30, float("inf"), float("nan")])
def test_no_theta_crashes(family, ndim, value):
    transform = default(family, ndim)
    source = image((4, 3, 2)[:ndim], batch=1, channels=1).requires_grad_()
    theta = torch.full((1, *transform.theta_shape), value, requires_grad=True)
    for padding_mode in ("zeros", "border", "reflection"):
        warped = unwarp.warp(source, theta, transform, padding_mode=padding_mode)
        warped.sum().backward()
        if value != value:
            assert warped.isnan().all()
        assert source.grad.isfinite().all()


@every_case
def test_copies_are_the_same_map(family, ndim):
    transform = TRANSFORMS[family](ndim=ndim)
    theta, points = theta_near_identity(transform, dtype=torch.float32), points_inside(ndim, 5, dtype=torch.float32)
    expected = transform(theta, points)
    source = image((3,) * ndim)
    warped = unwarp.warp(source, theta, transform)  # fills caches
    saved = io.BytesIO()
    torch.save(transform.state_dict(), saved)
    saved.seek(0)
    loaded = TRANSFORMS[family](ndim=ndim)
    loaded.load_state_dict(torch.load(saved, weights_only=True))
    for twin in (copy.deepcopy(transform), pickle.loads(pickle.dumps(transform)), loaded, transform.to("cpu")):
        assert torch.equal(twin(theta, points), expected)
        assert torch.equal(unwarp.warp(source, theta, twin), warped)
    assert repr(transform).startswith(type(transform).__name__)


@every_case
def test_modules_move_to_another_dtype(family, ndim):
    transform = TRANSFORMS[family](ndim=ndim)
    theta, points = theta_near_identity(transform, dtype=torch.float32), points_inside(ndim, 5, dtype=torch.float32)
    single = transform(theta, points)
    double = transform.double()(theta.double(), points.double())
    assert double.dtype is torch.float64
    torch.testing.assert_close(single.double(), double, atol=2e-6, rtol=2e-6)
    start = transform.to(torch.bfloat16).start(dtype=torch.bfloat16)
    expected = TRANSFORMS[family](ndim=ndim)(start.float(), points) if family in WITHOUT_IDENTITY else points
    assert torch.equal(transform(start, points), expected)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own forward mode uses it
@every_case
def test_derivatives_to_second_order(family, ndim):
    transform = small(family, ndim)
    theta = theta_near_identity(transform, batch=1, spread=0.1)
    points = points_inside(ndim, 2)[None]
    # Along three directions of theta: a slice of the Jacobian per parameter would take minutes in 3D.
    directions = torch.randn(3, *theta.shape, generator=generator(3), dtype=torch.float64)

    def along(steps, points):
        moved = (steps[(...,) + (None,) * theta.ndim] * directions).sum(0)
        return transform.transform_points(theta + moved, points)

    inputs = (torch.zeros(3, dtype=torch.float64, requires_grad=True), points.requires_grad_())
    assert torch.autograd.gradcheck(along, inputs, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(along, inputs)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own forward mode uses it
@every_case
def test_function_transforms(family, ndim):
    transform = small(family, ndim)
    theta = theta_near_identity(transform, batch=3, spread=0.1)
    points = points_inside(ndim, 4)
    loop = torch.stack([transform(one, points) for one in theta])
    assert_matches(torch.func.vmap(transform, in_dims=(0, None))(theta, points), loop, "oracle")
    backward = torch.func.jacrev(transform)(theta[0], points)
    forward = torch.func.jacfwd(transform)(theta[0], points)
    assert_matches(forward, backward, "oracle")
    direction = torch.ones_like(theta[0])
    _, tangent = torch.func.jvp(lambda one: transform(one, points), (theta[0],), (direction,))
    assert_matches(tangent, backward.flatten(2).sum(-1), "oracle")


@given(data=st.data())
@pytest.mark.parametrize("ndim", DIMENSIONS)
@pytest.mark.parametrize("family", MATRICES)
def test_matrix_families_are_groups(family, ndim, data):
    transform = default(family, ndim)
    numbers = st.floats(-0.1, 0.1)
    draws = [data.draw(st.lists(numbers, min_size=(n := transform.identity().numel()), max_size=n)) for _ in range(3)]
    a, b, c = (transform.identity(dtype=torch.float64) + torch.tensor(d).reshape(transform.theta_shape) for d in draws)
    left = transform.compose(transform.compose(a, b), c)
    right = transform.compose(a, transform.compose(b, c))
    assert_matches(left, right, "oracle")
    assert_matches(transform.compose(transform.inverse(a), a), transform.identity(dtype=torch.float64), "oracle")
    assert_matches(transform.from_matrix(transform.matrix(a)), a, "oracle")
