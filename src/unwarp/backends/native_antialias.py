"""Anti-aliased sampling by the C++ ops. Their first derivatives are ops too; higher ones are those of the reference.

An affine map has one Jacobian for all pixels, and an op of its own that needs no positions or Jacobians in memory. The
adjoint gives the gradients of positions and of the stretch's inverse; torch takes the latter on to the Jacobian.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Tensor

from unwarp import coordinates
from unwarp._eager import transformed
from unwarp._typing import Float, Shaped
from unwarp.backends import jacobian as jacobians
from unwarp.backends.base import Case, Sampling
from unwarp.backends.fused import options_of
from unwarp.backends.native_ops import Context, sampling_of, through_reference
from unwarp.backends.reference import Reference, sample_positions
from unwarp.backends.stretch import inverse, nothing_shrinks, stretch
from unwarp.kernels import Cubic, Linear

_REFERENCE = Reference()

_Options: TypeAlias = tuple[float, int, float, int, Tensor | None, bool]


def built() -> bool:
    """Whether the compiled library has the ops; one that was built from an older source does not."""
    return hasattr(torch.ops.unwarp, "sample_antialiased_backward")


def covers(case: Case) -> bool:
    """Whether the ops take a case: images, and kernels that fade to 0, so that rounding moves no pixel in or out."""
    return case.op != "basis" and case.ndim == 2 and type(case.sampling.kernel) in (Linear, Cubic)


def needless(matrix: Float[Tensor, "T rows 3"], sampling: Sampling) -> bool:
    """Whether plain sampling gives the same: under affine maps of which none shrinks, as at the start of training."""
    if sampling.antialias is not True or matrix.shape[-2] != 2 or torch.compiler.is_compiling() or transformed():
        return False
    return nothing_shrinks(matrix[..., :2])


def sample_grid(
    image: Shaped[Tensor, "N channels height width"],
    grid: Float[Tensor, "T *out 2"],
    scale: Sequence[float],
    sampling: Sampling,
    jacobian: Float[Tensor, "T *out 2 2"] | None,
) -> Shaped[Tensor, "T channels *out"]:
    """Sample at ``grid * scale``; without a Jacobian by the differences of neighbours."""
    if _watched() or grid.ndim != image.ndim:
        return _REFERENCE.sample_grid(image, grid, scale, sampling, jacobian)
    positions = grid * coordinates.vector(scale, like=grid)
    return _sample(image, positions, jacobians.of_grid(positions) if jacobian is None else jacobian, sampling)


def warp_matrix(
    image: Shaped[Tensor, "N channels height width"],
    matrix: Float[Tensor, "T rows 3"],
    size: Sequence[int],
    sampling: Sampling,
) -> Shaped[Tensor, "T channels *size"]:
    """Sample where an affine or projective matrix puts each centred output pixel."""
    if _watched():
        return _REFERENCE.warp_matrix(image, matrix, size, sampling)
    if matrix.shape[-2] == 2:
        source = _accumulator(image, matrix)
        op = torch.ops.unwarp.warp_affine_antialiased.default
        return op(source, matrix.to(source.dtype), tuple(size), *_options(source, sampling)).to(image.dtype)
    points = coordinates.centred_grid(size, dtype=matrix.dtype, device=matrix.device).flatten(0, -2)
    positions = coordinates.apply_matrix(matrix, points, far=coordinates.FAR_PIXELS)
    slopes = jacobians.of_matrix(matrix, points, positions)
    shape = tuple(size)
    return _sample(image, torch.unflatten(positions, 1, shape), torch.unflatten(slopes, 1, shape), sampling)


def _watched() -> bool:
    """Whether torch exports or transforms the call: then it has to see the reference's own operations."""
    return torch.compiler.is_exporting() or transformed()


def _sample(image: Tensor, positions: Tensor, jacobian: Tensor, sampling: Sampling) -> Tensor:
    source = _accumulator(image, positions)
    op = torch.ops.unwarp.sample_antialiased.default
    options = _options(source, sampling)
    return op(source, positions.to(source.dtype), jacobian.to(source.dtype), *options).to(image.dtype)


def register() -> None:
    """Tell torch the shapes and derivatives of the ops. Call once, after they are defined."""
    torch.library.register_fake("unwarp::sample_antialiased", _fake_positions)
    torch.library.register_fake("unwarp::warp_affine_antialiased", _fake_affine)
    for name, save, backward in (
        ("sample_antialiased", _save_positions, _positions_backward),
        ("warp_affine_antialiased", _save_affine, _affine_backward),
    ):
        torch.library.register_fake(f"unwarp::{name}_backward", _fake_backward)
        torch.library.register_autograd(f"unwarp::{name}", backward, setup_context=save)


def _fake_positions(image: Tensor, positions: Tensor, *_: object) -> Tensor:
    return image.new_empty((positions.shape[0], image.shape[1], *positions.shape[1:-1]))


def _fake_affine(image: Tensor, matrix: Tensor, size: Sequence[int], *_: object) -> Tensor:
    return image.new_empty((matrix.shape[0], image.shape[1], *size))


def _fake_backward(grad: Tensor, image: Tensor, points: Tensor, *arguments: object) -> tuple[Tensor, Tensor, Tensor]:
    image_needed, points_needed = arguments[-2:]
    shape = (points.shape[0], grad.shape[1] * grad.shape[2], 2) if points_needed else (0,)
    inverse = (*shape, 2) if points_needed else (0,)
    return image.new_empty(image.shape if image_needed else (0,)), image.new_empty(shape), image.new_empty(inverse)


def _save_positions(ctx: Context, inputs: tuple[Any, ...], output: Tensor) -> None:
    del output
    image, positions, jacobian, *ctx.options = inputs
    ctx.save_for_backward(image, positions, jacobian)


def _positions_backward(ctx: Context, grad: Tensor) -> tuple[Tensor | None, ...]:
    source, positions, jacobian = ctx.saved_tensors
    needed, unused = ctx.needs_input_grad[:3], (None,) * len(ctx.options)
    if torch.is_grad_enabled():
        reference = partial(_sample_by_reference, sampling=_sampling(source, ctx.options))
        return *through_reference(reference, ctx.saved_tensors, needed, grad), *unused
    op = torch.ops.unwarp.sample_antialiased_backward.default
    arguments = (grad.movedim(1, -1), source, positions, jacobian, *ctx.options)
    grad_image, grad_positions, grad_inverse = op(*arguments, needed[0], any(needed[1:]))
    grad_jacobian = None
    if needed[2]:
        grad_jacobian = _of_jacobian(grad_inverse.view(jacobian.shape), jacobian, ctx.options[0])
    found = grad_image if needed[0] else None, grad_positions.view(positions.shape) if needed[1] else None
    return *found, grad_jacobian, *unused


def _save_affine(ctx: Context, inputs: tuple[Any, ...], output: Tensor) -> None:
    del output
    image, matrix, *ctx.options = inputs
    ctx.save_for_backward(image, matrix)


def _affine_backward(ctx: Context, grad: Tensor) -> tuple[Tensor | None, ...]:
    source, matrix = ctx.saved_tensors
    size, *options = ctx.options
    needed, unused = ctx.needs_input_grad[:2], (None,) * len(ctx.options)
    if torch.is_grad_enabled():
        reference = partial(_REFERENCE.warp_matrix, size=size, sampling=_sampling(source, options))
        return *through_reference(reference, (source, matrix), needed, grad), *unused
    op = torch.ops.unwarp.warp_affine_antialiased_backward.default
    grad_image, of_positions, of_inverse = op(grad.movedim(1, -1), source, matrix, *options, *needed)
    if not needed[1]:
        return grad_image, None, *unused
    points = coordinates.centred_grid(size, dtype=matrix.dtype, device=matrix.device).flatten(0, -2)
    # Not a matrix product, which autocast would round.
    linear = (of_positions[..., :, None] * points[:, None]).sum(1)
    linear = linear + _of_jacobian(of_inverse.sum(1), matrix[..., :2], options[0])
    grad_matrix = torch.cat([linear, of_positions.sum(1)[..., None]], dim=-1)
    return grad_image if needed[0] else None, grad_matrix, *unused


def _of_jacobian(grad_inverse: Tensor, jacobian: Tensor, limit: float) -> Tensor:
    """From the gradient of the inverse of the stretch to that of the Jacobian."""
    with torch.enable_grad():
        wide = jacobian.detach().double().requires_grad_()
        (found,) = torch.autograd.grad(inverse(stretch(wide, limit)), wide, grad_inverse.double())
    return found.to(jacobian.dtype)


def _sample_by_reference(source: Tensor, positions: Tensor, jacobian: Tensor, sampling: Sampling) -> Tensor:
    return sample_positions(source, positions, sampling, jacobian)


def _accumulator(image: Tensor, points: Tensor) -> Tensor:
    return image.to(torch.promote_types(image.dtype, points.dtype))


def _sampling(source: Tensor, options: Sequence[Any]) -> Sampling:
    """What `_options` made the ops' options of."""
    limit, *others = options
    unlimited = limit >= max(source.shape[2:])
    return sampling_of(others)._replace(antialias=True if unlimited else limit)


def _options(source: Tensor, sampling: Sampling) -> _Options:
    largest = float(max(source.shape[2:]))
    limit = largest if sampling.antialias is True else min(float(sampling.antialias), largest)
    return limit, *options_of(sampling, source)
