import pytest
import torch

from support.generators import generator
from support.tolerances import assert_matches
from unwarp import coordinates
from unwarp.backends.jacobian import of_grid, of_matrix


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("projective", [False, True])
def test_of_a_matrix_is_its_derivative(projective, ndim):
    matrix = torch.eye(ndim + 1, dtype=torch.float64) + 0.1 * torch.randn(
        2, ndim + 1, ndim + 1, generator=generator(), dtype=torch.float64
    )
    matrix = matrix if projective else matrix[:, :ndim]
    points = torch.rand(5, ndim, generator=generator(), dtype=torch.float64)

    def apply(points):
        return coordinates.apply_matrix(matrix, points, far=coordinates.FAR_PIXELS)

    derivative = torch.func.jacrev(apply)(points)  # (warps, points, D, points, D)
    expected = torch.stack([derivative[:, i, :, i] for i in range(5)], dim=1)
    assert_matches(of_matrix(matrix, points, apply(points)), expected, "oracle")


def test_behind_the_horizon_it_is_zero_with_a_finite_gradient():
    matrix = torch.eye(3)[None].clone()
    matrix[0, 2] = torch.tensor([-1.0, 0.0, 0.5])
    matrix.requires_grad_()
    points = torch.tensor([[0.5, 0.1], [3.0, 0.2], [0.0, 0.0]])  # on it, behind it, before it
    positions = coordinates.apply_matrix(matrix, points, far=coordinates.FAR_PIXELS)
    jacobian = of_matrix(matrix, points, positions)
    assert jacobian[0, :2].abs().max() == 0
    assert jacobian[0, 2].abs().max() > 0
    jacobian.sum().backward()
    assert matrix.grad.isfinite().all()


@pytest.mark.parametrize("size", [(1,), (2,), (5,), (1, 4), (3, 2), (2, 3, 4)])
def test_of_a_grid_of_an_affine_map_is_its_matrix(size):
    ndim = len(size)
    linear = torch.randn(ndim, ndim, generator=generator(), dtype=torch.float64)
    points = coordinates.centred_grid(size, dtype=torch.float64, device=None)
    seen = torch.tensor([float(n > 1) for n in reversed(size)])  # nothing is known along an axis of one pixel
    assert_matches(of_grid((points @ linear.mT)[None]), (linear * seen).expand(1, *size, ndim, ndim), "oracle")


def test_inner_differences_are_central():
    positions = (torch.arange(6.0) ** 2)[None, :, None]
    assert of_grid(positions).flatten().tolist() == [1, 2, 4, 6, 8, 9]
