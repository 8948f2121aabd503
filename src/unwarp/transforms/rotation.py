"""Rotation matrices in 1 to 3 dimensions, and back."""

import torch
from torch import Tensor

from unwarp._typing import Float

ANGLES = {1: 0, 2: 1, 3: 3}
"""Number of rotation parameters per dimension: none, an angle, a rotation vector."""


def rotation_matrix(rotation: Float[Tensor, "*batch R"], ndim: int) -> Float[Tensor, "*batch D D"]:
    """Rotation from an angle (2D, from x towards y) or a rotation vector (3D: axis times angle, radians)."""
    if ndim == 1:
        return torch.ones(*rotation.shape[:-1], 1, 1, dtype=rotation.dtype, device=rotation.device)
    if ndim == 2:
        cos, sin = rotation[..., 0].cos(), rotation[..., 0].sin()
        return torch.stack([cos, -sin, sin, cos], dim=-1).reshape(*cos.shape, 2, 2)
    return _rodrigues(rotation)


def rotation_parameters(matrix: Float[Tensor, "*batch D D"]) -> Float[Tensor, "*batch R"]:
    """The inverse of `rotation_matrix`: angles within -pi..pi, rotation vectors no longer than pi."""
    ndim = matrix.shape[-1]
    if ndim == 1:
        return matrix[..., 0, :0]
    if ndim == 2:
        return torch.atan2(matrix[..., 1, 0], matrix[..., 0, 0])[..., None]
    quaternion = _quaternion(matrix)
    vector, scalar = quaternion[..., 1:], quaternion[..., :1]
    length = _safe_norm(vector)
    turned = length > 1e-6
    # angle / sin(angle / 2) tends to 2 / scalar at no rotation, where the quotient's derivative is NaN.
    factor = torch.where(
        turned, 2 * torch.atan2(length, scalar) / torch.where(turned, length, 1), 2 / scalar.clamp_min(0.5)
    )
    return vector * factor


def _rodrigues(vector: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """R = I + sinc(a) K + (1 - cos a) / a^2 K^2, with the series where the angle a is small."""
    square = (vector * vector).sum(-1)[..., None, None]
    small = square < 1e-4
    angle = torch.where(small, 1, square).sqrt()
    first = torch.where(small, 1 - square / 6 + square * square / 120, angle.sin() / angle)
    second = torch.where(small, 0.5 - square / 24 + square * square / 720, (1 - angle.cos()) / (angle * angle))
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).reshape(*x.shape, 3, 3)
    eye = torch.eye(3, dtype=vector.dtype, device=vector.device)
    # K^2 = v v^T - |v|^2 I; elementwise, since autocast would round a product of matrices.
    return eye + first * cross + second * (vector[..., :, None] * vector[..., None, :] - square * eye)


def _quaternion(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4"]:
    """Unit quaternion (w, x, y, z) with w >= 0, from the best conditioned of four formulas (Shepperd 1978)."""
    m = [[matrix[..., row, column] for column in range(3)] for row in range(3)]
    squares = torch.stack(
        [
            1 + m[0][0] + m[1][1] + m[2][2],
            1 + m[0][0] - m[1][1] - m[2][2],
            1 - m[0][0] + m[1][1] - m[2][2],
            1 - m[0][0] - m[1][1] + m[2][2],
        ],
        dim=-1,
    )
    wx, wy, wz = m[2][1] - m[1][2], m[0][2] - m[2][0], m[1][0] - m[0][1]
    xy, xz, yz = m[0][1] + m[1][0], m[0][2] + m[2][0], m[1][2] + m[2][1]
    products = [
        [squares[..., 0], wx, wy, wz],
        [wx, squares[..., 1], xy, xz],
        [wy, xy, squares[..., 2], yz],
        [wz, xz, yz, squares[..., 3]],
    ]
    candidates = torch.stack([torch.stack(row, dim=-1) for row in products], dim=-2)
    best = squares.argmax(-1)[..., None, None].expand(*squares.shape[:-1], 1, 4)
    chosen = candidates.gather(-2, best).squeeze(-2)
    unit = chosen / _safe_norm(chosen)
    return torch.where(unit[..., :1] < 0, -unit, unit)


def _safe_norm(vector: Tensor) -> Tensor:
    """Euclidean norm, keepdim, with the gradient 0 at the origin."""
    square = (vector * vector).sum(-1, keepdim=True)
    return torch.where(square > 0, torch.where(square > 0, square, 1).sqrt(), 0)
