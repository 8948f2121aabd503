"""The three functions everything else is made of: `make_grid`, `sample`, `warp`."""

from collections.abc import Sequence
from typing import Literal, TypedDict

import torch
from torch import Tensor

from unwarp import _checks, _repeats, background, coordinates, kernels, padding, transforms
from unwarp._typing import Float, Shaped, Size
from unwarp.backends import Backend, Case, Sampling, choose
from unwarp.backends.base import Op
from unwarp.errors import ShapeError
from unwarp.kernels import AbstractKernel
from unwarp.transforms import AbstractSpline, AbstractTransform
from unwarp.transforms.pixels import matrix_rows, pixel_jacobian, pixel_positions

_FillNumbers = float | Sequence[float] | Tensor
FillValue = _FillNumbers | Literal["background"]


def make_grid(
    size: Size,
    *,
    align_corners: bool = False,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Float[Tensor, "*size D"]:
    """Normalised coordinates of the pixels of an image.

    Convention: -1..1 spans the image, ``size`` in tensor order ``(d, h, w)``, points in ``(x, y, z)`` order.

    Args:
        size: pixels along each axis; an integer for a 1D signal.
        align_corners: whether -1 and 1 are the centres of the border pixels, or their outer edges.

    Returns:
        ``(*size, D)``.

    Raises:
        ShapeError: a size is not a positive integer.

    Examples:
        >>> make_grid((1, 4))[0, :, 0]
        tensor([-0.7500, -0.2500,  0.2500,  0.7500])
    """
    dtype = torch.get_default_dtype() if dtype is None else dtype
    _checks.floating_dtype(dtype)
    _checks.switch("align_corners", align_corners)
    return coordinates.regular_grid(
        _checks.size(size),
        align_corners=align_corners,
        dtype=dtype,
        device=None if device is None else torch.device(device),
    )


def sample(
    image: Shaped[Tensor, "#batch channels *in"],
    grid: Float[Tensor, "#batch *out D"],
    *,
    mode: str | AbstractKernel = "bilinear",
    padding_mode: str = "zeros",
    fill_value: FillValue = 0.0,
    align_corners: bool = False,
    antialias: bool | float = False,
    backend: str = "auto",
) -> Shaped[Tensor, "batch channels *out"]:
    """Sample an image at given positions, like `torch.nn.functional.grid_sample` for any kernel and dimension.

    Convention: positions are normalised, last axis ``(x, y, z)``, -1..1 spans the image.

    Args:
        image: ``(batch, channels, *in)`` with 1 to 3 spatial dimensions. Integer and bool images with
            ``mode="nearest"`` only.
        grid: ``(batch, *out, D)`` with any number of output axes. A batch of 1, here or in ``image``, serves all.
        mode: name of a kernel, or a kernel object.
        padding_mode: ``"zeros"``, ``"border"``, ``"reflection"``, ``"circular"``, or ``"fill"``.
        fill_value: a number or one value a channel: what samples outside of the image get with ``"fill"``; or
            ``"background"``: for each image and channel the median of its border.
        align_corners: whether -1 and 1 are the centres of the border pixels, or their outer edges.
        antialias: widen the kernel where the map shrinks the image, by its local Jacobian: here by the differences of
            neighbouring positions, which takes as many output axes as the image has. A number instead of ``True``
            limits the stretch to that many pixels, for speed and for `torch.export` and vmap.
        backend: ``"auto"``, or a name of `unwarp.available_backends`.

    Returns:
        ``(batch, channels, *out)`` in the image's dtype. Coordinates and sums are float32 at least. A NaN position
        gives NaN; infinite positions give the limit of the padding, NaN where it has none.

    Raises:
        ShapeError, DtypeError, DeviceError, OptionError, BackendError: an argument is wrong; the message says which.
    """
    key = _repeats.key(image, grid, "", None, mode, padding_mode, fill_value, align_corners, antialias, backend)
    repeated = _repeats.grid_again(key, image, grid)
    if repeated is not None:
        return repeated
    if isinstance(fill_value, str):
        _checks.fill_from_border(fill_value, padding_mode)
        _checks.tensor("grid", grid)

        def again(source: Tensor, kernel: str | AbstractKernel, padded: str, filtered: bool | float) -> Tensor:
            options: _Same = {"align_corners": align_corners, "backend": backend}
            return sample(source, grid, mode=kernel, padding_mode=padded, antialias=filtered, **options)

        return background.fill_around(again, image, mode, antialias, axes=grid.ndim - 2)
    sampling = _sampling(image, mode, padding_mode, fill_value, align_corners, antialias)
    ndim = image.ndim - 2
    _check_grid(grid, image, ndim)
    if antialias and grid.ndim != ndim + 2:
        raise ShapeError(
            f"grid: with antialias expected (batch, *out, {ndim}) with {ndim} output axes, whose neighbours tell how "
            f"much the image shrinks, got {tuple(grid.shape)}. Use antialias=False, or a grid of {ndim} axes."
        )
    with coordinates.full_precision(image.device):
        points = _one_each(grid.to(coordinates.point_dtype(image, grid)), _larger(grid, image))
        chosen = _choose("grid", image, points, sampling, backend)
        scale = coordinates.half_extents(image.shape[2:], align_corners=align_corners)
        _repeats.keep_grid(key, image, grid, scale, sampling, chosen)
        if points.ndim > 2:
            return chosen.sample_grid(image, points, scale, sampling)
        return chosen.sample_grid(image, points[:, None], scale, sampling)[..., 0]  # one position an image


def warp(
    image: Shaped[Tensor, "#batch channels *in"],
    theta: Float[Tensor, "#batch *k *theta"],
    transform: str | AbstractTransform,
    size: Size | None = None,
    *,
    mode: str | AbstractKernel = "bilinear",
    padding_mode: str = "zeros",
    fill_value: FillValue = 0.0,
    align_corners: bool = False,
    antialias: bool | float = False,
    backend: str = "auto",
) -> Shaped[Tensor, "batch *k channels *size"]:
    """Warp images: every output pixel is sampled where its transform puts it in the input.

    V[p] = sum over pixels q of U[q] k(T_theta(p) - q): the paper's eq. 1 and 3 in one call, without a grid in memory
    where the backend has fused ops. The identity theta returns the image exactly.

    Convention: theta maps output to input, in normalised coordinates ``(x, y, z)``.

    Args:
        image: ``(batch, channels, *in)`` with 1 to 3 spatial dimensions; a batch of 1 serves any batch of theta.
        theta: ``(batch, *theta_shape)``; or ``(batch, k, *theta_shape)`` for k warps of each image. May be float32
            beside a half-precision image. A batch of 1 serves any batch of images.
        transform: a transform, or its name.
        size: spatial size of the output, in tensor order; the image's own by default.
        mode, padding_mode, fill_value, align_corners, antialias, backend: as in `sample`.

    Returns:
        ``(batch, channels, *size)``, or ``(batch, k, channels, *size)``, in the image's dtype.

    Raises:
        ShapeError, DtypeError, DeviceError, OptionError, BackendError: an argument is wrong; the message says which.

    Examples:
        >>> image = torch.arange(4.0).view(1, 1, 1, 4)
        >>> flip = torch.tensor([[[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
        >>> warp(image, flip, "affine")
        tensor([[[[3., 2., 1., 0.]]]])
    """
    key = _repeats.key(image, theta, transform, size, mode, padding_mode, fill_value, align_corners, antialias, backend)
    repeated = _repeats.again(key, image, theta)
    if repeated is not None:
        return repeated
    if isinstance(fill_value, str):
        _checks.fill_from_border(fill_value, padding_mode)
        _checks.tensor("image", image)

        def again(source: Tensor, kernel: str | AbstractKernel, padded: str, filtered: bool | float) -> Tensor:
            options: _Same = {"align_corners": align_corners, "backend": backend}
            return warp(source, theta, transform, size, mode=kernel, padding_mode=padded, antialias=filtered, **options)

        return background.fill_around(again, image, mode, antialias, axes=image.ndim - 2)
    sampling = _sampling(image, mode, padding_mode, fill_value, align_corners, antialias)
    family = transforms.resolve(transform, image.ndim - 2)
    sizes = tuple(image.shape[2:]) if size is None else _checks.size(size, family.ndim)
    flat, batch = _flatten_theta(theta, family, image)
    repeatable = _repeats.first(key, image, theta, family, sizes, sampling, backend)
    if repeatable is not None:
        return repeatable
    with coordinates.full_precision(image.device):
        warped = _warp(image, flat, family, sizes, sampling, backend)
    return warped if len(batch) == 1 else warped.reshape(*batch, *warped.shape[1:])


class _Same(TypedDict):
    """Options of both passes over an image and its background."""

    align_corners: bool
    backend: str


def _warp(
    image: Tensor,
    theta: Tensor,
    family: AbstractTransform,
    size: tuple[int, ...],
    sampling: Sampling,
    backend: str,
) -> Tensor:
    sizes_in, aligned = image.shape[2:], sampling.align_corners
    family, theta = family.reduced(theta)
    dtype = coordinates.point_dtype(image, theta)
    points = theta if theta.dtype == dtype else theta.to(dtype)
    if family.has_matrix:
        rows = coordinates.pixel_matrix(matrix_rows(family, points), sizes_in, size, align_corners=aligned)
        return _choose("matrix", image, rows, sampling, backend).warp_matrix(image, rows, size, sampling)
    if sampling.antialias:
        return _warp_antialiased(image, theta, family, size, sampling, backend)
    scale = coordinates.half_extents(sizes_in, align_corners=aligned)
    if isinstance(family, AbstractSpline):
        # theta itself, not its up-cast copy: the control points are rounded as it is, so that the identity stays exact.
        coefficients = family.coefficients(theta).to(points.dtype) * coordinates.vector(scale, like=points)
        basis = family.grid_basis(size, align_corners=aligned, dtype=points.dtype, device=points.device)
        ratio = coordinates.extent_ratios(sizes_in, size, align_corners=aligned)
        chosen = _choose("basis", image, coefficients, sampling, backend)
        return chosen.warp_basis(image, coefficients, basis, ratio, size, sampling)
    positions = pixel_positions(family, theta, sizes_in, size, align_corners=aligned, dtype=points.dtype)
    chosen = _choose("grid", image, positions, sampling, backend)
    return chosen.sample_grid(image, positions, (1.0,) * family.ndim, sampling)


def _warp_antialiased(
    image: Tensor, theta: Tensor, family: AbstractTransform, size: tuple[int, ...], sampling: Sampling, backend: str
) -> Tensor:
    """By a grid and its Jacobian, for families that are not a matrix."""
    aligned, dtype = sampling.align_corners, coordinates.point_dtype(image, theta)
    positions = pixel_positions(family, theta, image.shape[2:], size, align_corners=aligned, dtype=dtype)
    jacobian = pixel_jacobian(family, theta, image.shape[2:], size, align_corners=aligned, dtype=dtype)
    chosen = _choose("grid", image, positions, sampling, backend)
    return chosen.sample_grid(image, positions, (1.0,) * family.ndim, sampling, jacobian)


def _sampling(
    image: Tensor,
    mode: str | AbstractKernel,
    padding_mode: str,
    fill_value: _FillNumbers,
    align_corners: bool,
    antialias: bool | float,
) -> Sampling:
    kernel = kernels.resolve(mode)
    _checks.antialias(antialias)
    _checks.image(image, floating_only=kernel.floating_only or bool(antialias), mode=kernel.name)
    padding_mode = _checks.option("padding_mode", padding_mode, padding.MODES)
    _checks.switch("align_corners", align_corners)
    fill = _checks.fill_value(fill_value, image.shape[1], padding_mode, image)
    return Sampling(kernel, padding_mode, fill, align_corners, antialias)


def _check_grid(grid: Tensor, image: Tensor, ndim: int) -> None:
    _checks.floating("grid", grid)
    if grid.ndim < 2 or grid.shape[-1] != ndim or 0 in grid.shape:
        raise ShapeError(
            f"grid: expected (batch, *out, {ndim}) for an image of {ndim} spatial dimensions, got {tuple(grid.shape)}. "
            "Positions are in x, y, z order, as those of unwarp.make_grid(size)[None]."
        )
    _checks.same_device("grid", grid, image)
    _checks.batches("grid", grid.shape[0], image.shape[0])


def _flatten_theta(theta: Tensor, family: AbstractTransform, image: Tensor) -> tuple[Tensor, tuple[int, ...]]:
    """Theta as ``(T, *theta_shape)``, and the batch shape of the result."""
    shape, given = family.theta_shape, theta
    _checks.theta(theta, shape, type(family).__name__, alternatives=lambda: _families_of(given, family.ndim))
    _checks.same_device("theta", theta, image)
    _checks.batches("theta", theta.shape[0], image.shape[0])
    count, several = _larger(theta, image), theta.ndim - len(shape) == 2
    if several:
        batch = (count, theta.shape[1])
        return theta.expand(*batch, *shape).reshape(-1, *shape), batch
    return _one_each(theta, count), (count,)


def _one_each(given: Tensor, count: int) -> Tensor:
    """A batch of 1 serves all."""
    return given if given.shape[0] == count else given.expand(count, *given.shape[1:])


def _larger(given: Tensor, image: Tensor) -> int:
    """The batch of the result. Not by len(), which makes a size that is symbolic while torch exports a constant."""
    return max(given.shape[0], image.shape[0])


def _families_of(theta: Tensor, ndim: int) -> list[str]:
    """Names of the families, with their default options, that a theta would fit."""
    there = [name for name, family in transforms.TRANSFORMS.items() if ndim in family.dimensions]
    return [repr(name) for name in there if transforms.resolve(name, ndim).theta_shape == tuple(theta.shape[1:])]


def _choose(op: Op, image: Tensor, points: Tensor, sampling: Sampling, backend: str) -> Backend:
    case = Case(op, image.ndim - 2, image.device.type, image.dtype, points.dtype, sampling)
    return choose(case, backend)
