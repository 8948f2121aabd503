"""`affine_grid` and `grid_sample` with the signatures of `torch.nn.functional`: change the import, nothing else."""

from collections.abc import Sequence

from torch import Tensor

from unwarp import _checks, coordinates, functional
from unwarp.errors import ShapeError
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
        ``(batch, *spatial, D)``, in the dtype of theta.

    Raises:
        ShapeError, DtypeError: an argument is wrong; the message says which.
    """
    _checks.floating("theta", theta)
    batch, spatial = _batch_and_spatial(size)
    ndim = len(spatial)
    if tuple(theta.shape) != (batch, ndim, ndim + 1):
        raise ShapeError(
            f"theta: expected ({batch}, {ndim}, {ndim + 1}) for an output of {tuple(size)}, got {tuple(theta.shape)}. "
            "theta and size have the same batch; a size of 4 integers is 2D, of 5 3D."
        )
    dtype = coordinates.point_dtype(theta)
    grid = functional.make_grid(spatial, align_corners=bool(align_corners), dtype=dtype, device=theta.device)
    return Affine(ndim)(theta, grid).to(theta.dtype)


def _batch_and_spatial(size: Sequence[int]) -> tuple[int, tuple[int, ...]]:
    if not isinstance(size, Sequence) or len(size) not in (4, 5):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ShapeError(
            f"size: expected (batch, channels, h, w) or (batch, channels, d, h, w), got {size!r}. "
            "unwarp.make_grid takes the spatial size alone."
        )
    batch, _ = _checks.size(tuple(size[:2]), 2)
    return batch, _checks.size(tuple(size[2:]), len(size) - 2)


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """Sample an image at given positions, as `torch.nn.functional.grid_sample`.

    Beyond torch: bicubic in 3D, any number of output axes, half-precision images beside a float32 grid, complex images,
    integer images with ``mode="nearest"``, derivatives of any order, a NaN position gives NaN instead of a crash, and a
    batch of 1 in either argument serves all. Unlike torch, an empty batch is refused.

    Raises:
        ShapeError, DtypeError, DeviceError, OptionError: an argument is wrong; the message says which.
    """
    _checks.option("mode", mode, _MODES)
    _checks.option("padding_mode", padding_mode, _PADDINGS)
    _checks.tensor("input", input)
    if input.ndim not in (4, 5):
        raise ShapeError(
            f"input: expected (batch, channels, h, w) or (batch, channels, d, h, w), got {tuple(input.shape)}. "
            "unwarp.sample takes signals of one dimension as well."
        )
    return functional.sample(input, grid, mode=mode, padding_mode=padding_mode, align_corners=bool(align_corners))
