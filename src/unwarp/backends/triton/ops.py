"""The ops as torch knows them: the schemas of the native ones, under a name of their own.

`torch.library.triton_op` lets torch.compile and torch.export see the kernels inside. Under Triton's interpreter, which
runs on values, they are opaque.
"""

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor

from unwarp.backends import native_ops
from unwarp.backends.triton.interpreted import interpreted
from unwarp.backends.triton.launch import run_backward, run_forward
from unwarp.backends.triton.problem import BASIS, GRID, MATRIX, Options, Points

NAMESPACE = "unwarp_triton"


def sample_grid(
    image: Tensor,
    grid: Tensor,
    scale: Sequence[float],
    kernel: int,
    cubic_a: float,
    padding: int,
    fill: Tensor | None,
    align_corners: bool,
) -> Tensor:
    """Sample at ``grid * scale``."""
    points = Points(GRID, grid, grid.shape[1:-1], scale)
    return run_forward(image, points, Options(kernel, cubic_a, padding, fill, align_corners))


def warp_matrix(
    image: Tensor,
    matrix: Tensor,
    size: Sequence[int],
    kernel: int,
    cubic_a: float,
    padding: int,
    fill: Tensor | None,
    align_corners: bool,
) -> Tensor:
    """Sample where a matrix puts each output pixel."""
    points = Points(MATRIX, matrix, size, ())
    return run_forward(image, points, Options(kernel, cubic_a, padding, fill, align_corners))


def warp_basis(
    image: Tensor,
    coefficients: Tensor,
    basis: Tensor,
    ratio: Sequence[float],
    size: Sequence[int],
    kernel: int,
    cubic_a: float,
    padding: int,
    fill: Tensor | None,
    align_corners: bool,
) -> Tensor:
    """Sample at ``ratio * pixel + basis @ coefficients``."""
    points = Points(BASIS, coefficients, size, ratio, basis)
    return run_forward(image, points, Options(kernel, cubic_a, padding, fill, align_corners))


def sample_grid_backward(
    grad: Tensor,
    image: Tensor,
    grid: Tensor,
    scale: Sequence[float],
    kernel: int,
    cubic_a: float,
    padding: int,
    fill: Tensor | None,
    align_corners: bool,
    image_needed: bool,
    theta_needed: bool,
) -> tuple[Tensor, Tensor]:
    """Gradients of image and grid."""
    points = Points(GRID, grid, grid.shape[1:-1], scale)
    options = Options(kernel, cubic_a, padding, fill, align_corners)
    return run_backward(grad, image, points, options, image_needed=image_needed, theta_needed=theta_needed)


def warp_matrix_backward(
    grad: Tensor,
    image: Tensor,
    matrix: Tensor,
    kernel: int,
    cubic_a: float,
    padding: int,
    fill: Tensor | None,
    align_corners: bool,
    image_needed: bool,
    theta_needed: bool,
) -> tuple[Tensor, Tensor]:
    """Gradients of image and matrix."""
    points = Points(MATRIX, matrix, grad.shape[2:], ())
    options = Options(kernel, cubic_a, padding, fill, align_corners)
    return run_backward(grad, image, points, options, image_needed=image_needed, theta_needed=theta_needed)


def warp_basis_backward(
    grad: Tensor,
    image: Tensor,
    coefficients: Tensor,
    basis: Tensor,
    ratio: Sequence[float],
    kernel: int,
    cubic_a: float,
    padding: int,
    fill: Tensor | None,
    align_corners: bool,
    image_needed: bool,
    theta_needed: bool,
) -> tuple[Tensor, Tensor]:
    """Gradients of image and coefficients."""
    points = Points(BASIS, coefficients, grad.shape[2:], ratio, basis)
    options = Options(kernel, cubic_a, padding, fill, align_corners)
    return run_backward(grad, image, points, options, image_needed=image_needed, theta_needed=theta_needed)


def _define() -> None:
    """Define the ops, once, when this module is imported."""
    define = cast(Callable[..., object], torch.library.custom_op if interpreted() else torch.library.triton_op)
    functions = (
        sample_grid,
        warp_matrix,
        warp_basis,
        sample_grid_backward,
        warp_matrix_backward,
        warp_basis_backward,
    )
    for function in functions:
        define(f"{NAMESPACE}::{function.__name__}", function, mutates_args=())
    native_ops.register(NAMESPACE, fake=interpreted())


_define()
