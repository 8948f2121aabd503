"""`affine_grid` and `grid_sample` with the signatures of `torch.nn.functional`: change the import, nothing else."""

from collections.abc import Sequence

from torch import Tensor

from unwarp import coordinates, functional
from unwarp.errors import OptionError, ShapeError
from unwarp.transforms import Affine

__all__ = ["affine_grid", "grid_sample"]

_MODES = ("bilinear", "nearest", "bicubic")
_PADDINGS = ("zeros", "border", "reflection")


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """Sampling positions of an affine map, as `torch.nn.functional.affine_grid`.

    Args:
        theta: ``(batch, 2, 3)`` or ``(batch, 3, 4)``.
        size: output size ``(batch, channels, h, w)`` or ``(batch, channels, d, h, w)``.
        align_corners: ``None`` means ``False``.

    Returns:
        ``(batch, *spatial, D)``.
    """
    ndim = len(size) - 2
    if ndim not in (2, 3) or theta.ndim != 3 or tuple(theta.shape) != (size[0], ndim, ndim + 1):
        raise ShapeError(
            f"theta, size: expected theta (batch, 2, 3) with a size of 4 integers, or (batch, 3, 4) with 5, of the same "
            f"batch, got theta {tuple(theta.shape)} and size {tuple(size)}."
        )
    dtype = coordinates.point_dtype(theta)
    grid = functional.make_grid(tuple(size[2:]), align_corners=bool(align_corners), dtype=dtype, device=theta.device)
    return Affine(ndim)(theta, grid).to(theta.dtype)


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """Sample an image at given positions, as `torch.nn.functional.grid_sample`.

    Beyond torch: bicubic in 3D, half-precision images beside a float32 grid, forward-mode derivatives, a NaN position
    gives NaN instead of a crash, and a batch of 1 in either argument serves all.
    """
    if mode not in _MODES or padding_mode not in _PADDINGS:
        raise OptionError(
            f"mode, padding_mode: expected one of {_MODES} and one of {_PADDINGS}, got {mode!r} and {padding_mode!r}. "
            "unwarp.sample has more."
        )
    return functional.sample(input, grid, mode=mode, padding_mode=padding_mode, align_corners=bool(align_corners))
