"""The matrix function f(J J^T), f(lambda) = max(sqrt(lambda), 1), and its derivatives."""

import pytest
import torch

from support.generators import generator
from support.tolerances import assert_matches
from unwarp.backends.stretch import inverse, matrix_function, stretch

LIMIT = 50.0

SINGULAR_VALUES = {
    "all shrink": (3.0, 2.0, 5.0),
    "one shrinks": (3.0, 0.5, 0.4),
    "none shrinks": (0.9, 0.5, 0.4),
    "equal": (2.0, 2.0, 2.0),
    "two equal": (2.0, 2.0, 0.3),
    "nearly equal": (2.0, 2.0 + 1e-9, 2.0 - 1e-9),
    "beyond the limit": (80.0, 2.0, 0.3),
    "all beyond the limit": (80.0, 90.0, 70.0),
    "singular": (4.0, 0.0, 0.0),
    "about one": (1.0 + 1e-9, 1.0 - 1e-9, 1.0 + 2e-9),
}

every_case = pytest.mark.parametrize("case", SINGULAR_VALUES)
every_ndim = pytest.mark.parametrize("ndim", [1, 2, 3])


def rotation(ndim, seed):
    return torch.linalg.qr(torch.randn(ndim, ndim, generator=generator(seed), dtype=torch.float64))[0]


def jacobian_of(case, ndim):
    sigma = torch.tensor(SINGULAR_VALUES[case][:ndim], dtype=torch.float64)
    return rotation(ndim, 1) @ torch.diag(sigma) @ rotation(ndim, 2)


@every_ndim
@every_case
def test_is_u_max_sigma_one_u_transposed(case, ndim):
    jacobian = jacobian_of(case, ndim)
    left, sigma, _ = torch.linalg.svd(jacobian)
    expected = left @ torch.diag(sigma.clamp(1, LIMIT)) @ left.mT
    assert_matches(stretch(jacobian, LIMIT), expected, "clustered" if "equal" in case or "about" in case else "oracle")


@every_ndim
@every_case
def test_the_inverse(case, ndim):
    matrix = stretch(jacobian_of(case, ndim), LIMIT)
    assert_matches(inverse(matrix) @ matrix, torch.eye(ndim, dtype=torch.float64), "clustered")


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("case", [case for case in SINGULAR_VALUES if "about" not in case and case != "singular"])
def test_derivatives_also_where_singular_values_meet(case, ndim):
    """The function has a kink at 1; everywhere else it is smooth, whether or not its eigenvectors are."""
    jacobian = jacobian_of(case, ndim).requires_grad_()
    torch.autograd.gradcheck(lambda j: stretch(j, LIMIT), jacobian)
    torch.autograd.gradgradcheck(lambda j: stretch(j, LIMIT), jacobian, atol=1e-4)


@every_case
def test_the_closed_form_of_two_dimensions_is_the_matrix_function(case):
    jacobian = jacobian_of(case, 2)
    assert_matches(stretch(jacobian, LIMIT), matrix_function(jacobian @ jacobian.mT, LIMIT), "clustered")


@every_ndim
def test_the_identity_and_what_enlarges_leave_exactly_the_unit_matrix(ndim):
    unit = torch.eye(ndim)
    for scale in (1.0, 0.5, 1e-3, 0.0):
        assert torch.equal(stretch(scale * unit, LIMIT), unit) or ndim == 3
        assert_matches(stretch(scale * unit, LIMIT), unit, "rearranged")


@every_ndim
@pytest.mark.parametrize("entry", [float("nan"), float("inf"), -float("inf"), 1e30, -1e25, 1e-30])
def test_any_jacobian_gives_a_finite_stretch_and_gradient(entry, ndim):
    jacobian = torch.eye(ndim)
    jacobian[0, -1] = entry
    jacobian.requires_grad_()
    result = stretch(jacobian, LIMIT)
    values = torch.linalg.eigvalsh(result.detach())
    assert (values > 1 - 1e-4).all()
    assert (values < LIMIT * (1 + 1e-4)).all()
    assert inverse(result).isfinite().all()
    result.sum().backward()
    assert jacobian.grad.isfinite().all()
