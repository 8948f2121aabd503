"""Anti-aliased sampling by the C++ ops. Their first derivatives are ops too; higher ones are those of the reference.

An affine map has one Jacobian for all pixels, and an op of its own that needs no positions or Jacobians in memory. The
adjoint gives the gradients of positions and of the stretch's inverse; torch takes the latter on to the Jacobian.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor

from unwarp import coordinates
from unwarp._eager import transformed
from unwarp._typing import Float, Shaped
from unwarp.backends import jacobian as jacobians
from unwarp.backends.base import Case, Sampling
from unwarp.backends.fused import options_of
from unwarp.backends.native_ops import Context
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
    if sampling.antialias is not True or matrix.shape[-2] != 2 or _watched():
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
        return _record(_Warped, source, matrix.to(source.dtype), tuple(size), sampling).to(image.dtype)
    points = coordinates.centred_grid(size, dtype=matrix.dtype, device=matrix.device).flatten(0, -2)
    positions = coordinates.apply_matrix(matrix, points, far=coordinates.FAR_PIXELS)
    slopes = jacobians.of_matrix(matrix, points, positions)
    shape = tuple(size)
    return _sample(image, torch.unflatten(positions, 1, shape), torch.unflatten(slopes, 1, shape), sampling)


def _watched() -> bool:
    """Whether torch traces or transforms the call: then it has to see the reference's own operations."""
    return torch.compiler.is_compiling() or transformed()


def _sample(image: Tensor, positions: Tensor, jacobian: Tensor, sampling: Sampling) -> Tensor:
    source = _accumulator(image, positions)
    return _record(_Sampled, source, positions.to(source.dtype), jacobian.to(source.dtype), sampling).to(image.dtype)


def _record(function: type[torch.autograd.Function], *arguments: object) -> Tensor:
    return cast(Tensor, function.apply(*arguments))  # pyright: ignore[reportUnknownMemberType]


class _Sampled(torch.autograd.Function):
    """Samples at positions, with a Jacobian for each."""

    @staticmethod
    def forward(ctx: Context, source: Tensor, positions: Tensor, jacobian: Tensor, sampling: Sampling) -> Tensor:
        ctx.save_for_backward(source, positions, jacobian)
        ctx.options = [sampling]
        op = torch.ops.unwarp.sample_antialiased.default
        return op(source, positions, jacobian, *_options(source, sampling))

    @staticmethod
    def backward(ctx: Context, *grads: Tensor) -> tuple[Tensor | None, ...]:
        source, positions, jacobian = ctx.saved_tensors
        (sampling,) = ctx.options
        if torch.is_grad_enabled():
            return *_through_reference(ctx, grads[0], _sample_by_reference, sampling), None
        image_needed, *points_needed = ctx.needs_input_grad[:3]
        options = _options(source, sampling)
        op = torch.ops.unwarp.sample_antialiased_backward.default
        arguments = (grads[0].movedim(1, -1), source, positions, jacobian, *options)
        grad_image, grad_positions, grad_inverse = op(*arguments, image_needed, any(points_needed))
        return (
            grad_image if image_needed else None,
            grad_positions.view(positions.shape) if points_needed[0] else None,
            _of_jacobian(grad_inverse.view(jacobian.shape), jacobian, options[0]) if points_needed[1] else None,
            None,
        )


class _Warped(torch.autograd.Function):
    """Samples where an affine matrix puts each centred output pixel."""

    @staticmethod
    def forward(ctx: Context, source: Tensor, matrix: Tensor, size: tuple[int, ...], sampling: Sampling) -> Tensor:
        ctx.save_for_backward(source, matrix)
        ctx.options = [size, sampling]
        op = torch.ops.unwarp.warp_affine_antialiased.default
        return op(source, matrix, size, *_options(source, sampling))

    @staticmethod
    def backward(ctx: Context, *grads: Tensor) -> tuple[Tensor | None, ...]:
        source, matrix = ctx.saved_tensors
        size, sampling = ctx.options
        if torch.is_grad_enabled():
            return *_through_reference(ctx, grads[0], _REFERENCE.warp_matrix, size, sampling), None, None
        needed = ctx.needs_input_grad[:2]
        options = _options(source, sampling)
        op = torch.ops.unwarp.warp_affine_antialiased_backward.default
        grad_image, of_positions, of_inverse = op(grads[0].movedim(1, -1), source, matrix, *options, *needed)
        if not needed[1]:
            return grad_image, None, None, None
        points = coordinates.centred_grid(size, dtype=matrix.dtype, device=matrix.device).flatten(0, -2)
        # Not a matrix product, which autocast would round.
        linear = (of_positions[..., :, None] * points[:, None]).sum(1)
        linear = linear + _of_jacobian(of_inverse.sum(1), matrix[..., :2], options[0])
        grad_matrix = torch.cat([linear, of_positions.sum(1)[..., None]], dim=-1)
        return grad_image if needed[0] else None, grad_matrix, None, None


def _of_jacobian(grad_inverse: Tensor, jacobian: Tensor, limit: float) -> Tensor:
    """From the gradient of the inverse of the stretch to that of the Jacobian."""
    with torch.enable_grad():
        wide = jacobian.detach().double().requires_grad_()
        (found,) = torch.autograd.grad(inverse(stretch(wide, limit)), wide, grad_inverse.double())
    return found.to(jacobian.dtype)


def _sample_by_reference(source: Tensor, positions: Tensor, jacobian: Tensor, sampling: Sampling) -> Tensor:
    return sample_positions(source, positions, sampling, jacobian)


def _through_reference(ctx: Context, grad: Tensor, reference: Any, *options: object) -> tuple[Tensor | None, ...]:  # noqa: ANN401 - a function of tensors and options
    """The gradients of the saved tensors as functions that have gradients in turn."""
    inputs, needed = ctx.saved_tensors, ctx.needs_input_grad
    wanted = [tensor for tensor, asked in zip(inputs, needed, strict=False) if asked]
    derived = iter(torch.autograd.grad(reference(*inputs, *options), wanted, grad, create_graph=True))
    return tuple(next(derived) if asked else None for _, asked in zip(inputs, needed, strict=False))


def _accumulator(image: Tensor, points: Tensor) -> Tensor:
    return image.to(torch.promote_types(image.dtype, points.dtype))


def _options(source: Tensor, sampling: Sampling) -> _Options:
    largest = float(max(source.shape[2:]))
    limit = largest if sampling.antialias is True else min(float(sampling.antialias), largest)
    return limit, *options_of(sampling, source)
