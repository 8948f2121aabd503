"""By how much anti-aliasing widens a kernel: the stretch S = f(J J^T), f(lambda) = max(sqrt(lambda), 1).

J is the local Jacobian of the map, input pixels per output pixel, with singular values sigma along the left singular
vectors U. f as a function of matrices gives S = U max(sigma, 1) U^T: where the map shrinks, one output pixel covers
sigma input pixels along u, and the kernel widens by as much. A rotation leaves the kernel as it is.

Singular vectors have no derivative where singular values meet, S has one. So none is taken of them: in 2D S has a
closed form, in 3D it is the Taylor polynomial of the matrix function, whose coefficients are divided differences of f
(Daleckii and Krein 1965). S itself has a kink where a singular value passes 1.
"""

import itertools
from typing import cast

import torch
from torch import Tensor

from unwarp._typing import Float

_STEEPEST = 2.0**20
"""Entries of a Jacobian are clamped to this, so that their products stay finite in float32."""

_ROUND = 1e-6
"""Singular values that differ by less, relatively, count as equal."""


def stretch(jacobian: Float[Tensor, "*points D D"], limit: float) -> Float[Tensor, "*points D D"]:
    """Symmetric matrices with all eigenvalues within ``1..limit``; the unit matrix where the Jacobian is NaN.

    First and second derivatives are right; in 3D higher ones are 0.
    """
    undefined = jacobian.isnan().any(-1).any(-1)[..., None, None]
    finite = torch.where(undefined, 0, jacobian).clamp(-_STEEPEST, _STEEPEST)
    if jacobian.shape[-1] == 1:
        return finite.abs().clamp(1, limit)
    return _planar(finite, limit) if jacobian.shape[-1] == 2 else matrix_function(finite @ finite.mT, limit)


def nothing_shrinks(jacobian: Float[Tensor, "*points 2 2"]) -> bool:
    """Whether the stretch of every Jacobian in 2D is the unit matrix."""
    mean, spread = _invariants(_gram(jacobian.detach()))
    return bool((mean + spread.sqrt() <= 1).all())


def inverse(matrix: Float[Tensor, "*points D D"]) -> Float[Tensor, "*points D D"]:
    """The inverse of well-conditioned symmetric matrices of up to 3 rows, from their cofactors."""
    if matrix.shape[-1] == 1:
        return 1 / matrix
    cofactors = _planar_cofactors(matrix) if matrix.shape[-1] == 2 else _spatial_cofactors(matrix)
    determinant = (matrix[..., 0, :] * cofactors[..., 0, :]).sum(-1)
    return cofactors / determinant[..., None, None]


def _planar(jacobian: Float[Tensor, "*points 2 2"], limit: float) -> Float[Tensor, "*points 2 2"]:
    square = _gram(jacobian)
    determinant = (jacobian[..., 0, 0] * jacobian[..., 1, 1] - jacobian[..., 0, 1] * jacobian[..., 1, 0]).abs()
    mean, spread = _invariants(square)
    largest = mean + spread.detach().sqrt()
    smallest = determinant**2 / largest.clamp_min(1)
    narrow, wide = largest <= 1, smallest >= limit**2
    inner = (smallest >= 1) & (largest <= limit**2) | (spread <= (_ROUND * mean) ** 2)
    unit = torch.eye(2, dtype=jacobian.dtype, device=jacobian.device)
    result = torch.where(_matrix(inner), _square_root(square, determinant, inner), _mixed(square, determinant, limit))
    return torch.where(_matrix(narrow), unit, torch.where(_matrix(wide), unit * limit, result))


def _gram(jacobian: Tensor) -> Tensor:
    # Elementwise on purpose: a matrix product may round to fewer digits, and the identity must stay exact.
    return (jacobian[..., :, None, :] * jacobian[..., None, :, :]).sum(-1)


def _invariants(square: Tensor) -> tuple[Tensor, Tensor]:
    """The mean of two eigenvalues, and the square of half their difference."""
    mean = (square[..., 0, 0] + square[..., 1, 1]) / 2
    return mean, (square[..., 0, 0] - square[..., 1, 1]) ** 2 / 4 + square[..., 0, 1] ** 2


def _matrix(mask: Tensor) -> Tensor:
    return mask[..., None, None]


def _square_root(square: Tensor, determinant: Tensor, valid: Tensor) -> Tensor:
    """B^(1/2) = (B + sqrt(det B) I) / sqrt(tr B + 2 sqrt(det B)): no eigenvalues."""
    unit = torch.eye(2, dtype=square.dtype, device=square.device)
    root = torch.where(valid, square[..., 0, 0] + square[..., 1, 1] + 2 * determinant, 1).clamp_min(1).sqrt()
    return (square + _matrix(determinant) * unit) / _matrix(root)


def _mixed(square: Tensor, determinant: Tensor, limit: float) -> Tensor:
    """f(B) = f_2 I + (f_1 - f_2) / (l_1 - l_2) (B - l_2 I), for eigenvalues on two sides of a bound of f."""
    mean, spread = _invariants(square)
    distinct = spread > 0
    half_gap = torch.where(distinct, spread, 1).sqrt()
    largest = (mean + half_gap).clamp_min(1)
    smallest = determinant**2 / largest
    f_1, f_2 = (value.clamp(1, limit**2).sqrt() for value in (largest, smallest))
    slope = (f_1 - f_2) / (2 * half_gap)
    unit = torch.eye(2, dtype=square.dtype, device=square.device)
    return _matrix(f_2) * unit + _matrix(slope) * (square - _matrix(smallest) * unit)


def matrix_function(square: Float[Tensor, "*points D D"], limit: float) -> Float[Tensor, "*points D D"]:
    """f(B) and its first two derivatives, by the Taylor polynomial around B itself.

    f(B + H) = U (diag f(l) + f[l_i, l_j] h_ij + sum_k f[l_i, l_k, l_j] h_ik h_kj) U^T with h = U^T H U; here H is 0 and
    carries the derivatives.
    """
    values, vectors = cast(tuple[Tensor, Tensor], torch.linalg.eigh(square.detach()))
    first, second = _divided_differences(values, limit)
    change = vectors.mT @ (square - square.detach()) @ vectors
    bent = (second * change[..., :, :, None] * change[..., None, :, :]).sum(-2)
    return vectors @ (torch.diag_embed(_f(values, limit)) + first * change + bent) @ vectors.mT


def _f(values: Tensor, limit: float) -> Tensor:
    return values.clamp(1, limit**2).sqrt()


def _divided_differences(values: Float[Tensor, "*points D"], limit: float) -> tuple[Tensor, Tensor]:
    """f[l_i, l_j] as ``(..., D, D)`` and f[l_i, l_k, l_j] as ``(..., D, D, D)``; values ascend.

    Within 1..limit^2, where f is the square root, they are closed forms without a difference; elsewhere two values on
    different sides of a bound are never equal.
    """
    indices = range(values.shape[-1])
    first = [[_first_difference(values[..., i], values[..., j], limit) for j in indices] for i in indices]
    second = [
        _second_difference(values, first, sorted(triple), limit) for triple in itertools.product(indices, repeat=3)
    ]
    shape = (len(indices),) * 3
    return torch.stack([torch.stack(row, -1) for row in first], -2), torch.unflatten(torch.stack(second, -1), -1, shape)


def _first_difference(a: Tensor, b: Tensor, limit: float) -> Tensor:
    root_a, root_b = _f(a, limit), _f(b, limit)
    smooth = (torch.minimum(a, b) > 1) & (torch.maximum(a, b) < limit**2)
    gap = torch.where(a == b, 1, a - b)
    return torch.where(smooth, 1 / (root_a + root_b), (root_a - root_b) / gap)


def _second_difference(values: Tensor, first: list[list[Tensor]], triple: list[int], limit: float) -> Tensor:
    low, middle, high = triple
    a, b, c = (values[..., index] for index in triple)
    root_a, root_b, root_c = (_f(value, limit) for value in (a, b, c))
    smooth = (a > 1) & (c < limit**2)
    closed = -1 / ((root_a + root_b) * (root_b + root_c) * (root_a + root_c))
    gap = torch.where(a == c, 1, a - c)
    return torch.where(smooth, closed, (first[low][middle] - first[middle][high]) / gap)


def _planar_cofactors(matrix: Tensor) -> Tensor:
    a, b, c, d = matrix[..., 0, 0], matrix[..., 0, 1], matrix[..., 1, 0], matrix[..., 1, 1]
    return torch.stack([torch.stack([d, -b], -1), torch.stack([-c, a], -1)], -2)


def _spatial_cofactors(matrix: Tensor) -> Tensor:
    x, y, z = matrix.unbind(-2)
    return torch.stack([torch.linalg.cross(y, z), torch.linalg.cross(z, x), torch.linalg.cross(x, y)], -2)
