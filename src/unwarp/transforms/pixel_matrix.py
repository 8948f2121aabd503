"""Matrices between pixels, source to destination, as OpenCV and kornia have them, and ours.

| | this library | OpenCV ``warpAffine``, ``warpPerspective``; kornia ``warp_affine``, ``warp_perspective`` |
|---|---|---|
| direction | output to input | source (input) to destination (output), inverted inside |
| units | normalised, -1..1 across the image | pixels; the centre of the first pixel is 0 |
| size | ``(h, w)`` | OpenCV ``(w, h)``, kornia ``(h, w)`` |
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from unwarp import _checks, coordinates
from unwarp._numbers import is_integer
from unwarp._typing import Float, Shaped, Size
from unwarp.errors import ShapeError
from unwarp.transforms.affine import homogeneous
from unwarp.transforms.base import inverse_matrix


def from_pixel_matrix(
    matrix: Shaped[Tensor, "*batch rows D1"],
    size_in: Size,
    size_out: Size | None = None,
    *,
    align_corners: bool = False,
) -> Float[Tensor, "*batch D1 D1"]:
    """A source-to-destination pixel matrix as a normalised output-to-input one.

    Args:
        matrix: ``(*batch, D, D + 1)`` affine or ``(*batch, D + 1, D + 1)`` projective, points ``(x, y, z)``.
        size_in: size of the source image, in tensor order; an integer stands for all axes.
        size_out: size of the destination; ``size_in`` by default.
        align_corners: as in the call of `unwarp.warp` that it is for. The picture does not depend on it.

    Returns:
        Homogeneous matrices with 1 as their last entry. ``Affine(D).from_matrix`` and ``Projective(D).from_matrix``
        give the thetas.

    Raises:
        ShapeError: the matrix does not fit the sizes, or a size is not positive.

    Examples:
        >>> shift = torch.tensor([[1.0, 0.0, 2.0], [0.0, 1.0, 0.0]])  # two pixels to the right, in OpenCV
        >>> from_pixel_matrix(shift, (4, 4))[:2]
        tensor([[ 1.,  0., -1.],
                [ 0.,  1.,  0.]])
    """
    sizes_in = _sizes(matrix, size_in)
    sizes_out = sizes_in if size_out is None else _sizes(matrix, size_out)
    full = _homogeneous(matrix, len(sizes_in), len(sizes_out))
    to_input = inverse_matrix(full.to(torch.float64))
    inward = _to_normalised(sizes_in, align_corners=align_corners, device=matrix.device)
    outward = inverse_matrix(_to_normalised(sizes_out, align_corners=align_corners, device=matrix.device))
    normalised = coordinates.matmul(coordinates.matmul(inward, to_input), outward)
    return (normalised / normalised[..., -1:, -1:]).to(coordinates.floating(matrix).dtype)


def to_pixel_matrix(
    matrix: Shaped[Tensor, "*batch rows D1"],
    size_in: Size,
    size_out: Size | None = None,
    *,
    align_corners: bool = False,
) -> Float[Tensor, "*batch D1 D1"]:
    """The inverse of `from_pixel_matrix`: what to hand to OpenCV or kornia for the same picture.

    Args:
        matrix: normalised output-to-input matrix, for example ``transform.matrix(theta)``.
        size_in, size_out, align_corners: as in `from_pixel_matrix`.

    Returns:
        Source-to-destination matrices between pixels, homogeneous with 1 as their last entry.
    """
    sizes_in = _sizes(matrix, size_in)
    sizes_out = sizes_in if size_out is None else _sizes(matrix, size_out)
    full = _homogeneous(matrix, len(sizes_in), len(sizes_out))
    inward = _to_normalised(sizes_in, align_corners=align_corners, device=matrix.device)
    outward = inverse_matrix(_to_normalised(sizes_out, align_corners=align_corners, device=matrix.device))
    pixels = coordinates.matmul(coordinates.matmul(outward, inverse_matrix(full.to(torch.float64))), inward)
    return (pixels / pixels[..., -1:, -1:]).to(coordinates.floating(matrix).dtype)


def _sizes(matrix: Tensor, size: Size) -> tuple[int, ...]:
    """A size as a tuple; an integer stands for as many axes as the matrix has."""
    _checks.tensor("matrix", matrix)
    axes = matrix.shape[-1] - 1 if matrix.ndim else 0
    return _checks.size(size, axes if is_integer(size) and axes in (1, 2, 3) else None)


def _to_normalised(size: Sequence[int], *, align_corners: bool, device: torch.device) -> Float[Tensor, "D1 D1"]:
    """Matrix from pixel to normalised coordinates, float64."""
    ndim = len(size)
    ends = torch.cat([torch.zeros(1, ndim), torch.eye(ndim)]).to(device, torch.float64)
    origin, *corners = coordinates.pixel_to_normalised(ends, size, align_corners=align_corners)
    columns = [corner - origin for corner in corners] + [origin]
    return homogeneous(torch.stack(columns, dim=-1))


def _homogeneous(matrix: Tensor, ndim_in: int, ndim_out: int) -> Tensor:
    rows = tuple(matrix.shape[-2:])
    if ndim_in != ndim_out or rows not in ((ndim_in, ndim_in + 1), (ndim_in + 1, ndim_in + 1)):
        raise ShapeError(
            f"matrix: expected (*batch, {ndim_in}, {ndim_in + 1}) or a square one for sizes of {ndim_in} axes, "
            f"got {tuple(matrix.shape)} with sizes of {ndim_in} and {ndim_out} axes."
        )
    return homogeneous(matrix) if rows[0] == ndim_in else matrix
