"""What torch has to know of the fused ops besides their code: shapes for tracing, and gradients.

The first derivative is an op of its own. Higher ones differentiate the reference: where a backward pass is itself
recorded (``create_graph=True``), it evaluates the reference's gradient, which torch can differentiate to any order.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol, TypeAlias, cast

import torch
from torch import Tensor

from unwarp import padding
from unwarp.backends.base import Sampling
from unwarp.backends.reference import Reference
from unwarp.kernels import AbstractKernel, Cubic, Linear, Nearest

KERNELS: tuple[type[AbstractKernel], ...] = (Nearest, Linear, Cubic)
"""In the order of the ops' numbers. These classes themselves: a subclass may weigh its taps in another way."""

_REFERENCE = Reference()

below_autograd: Any = torch._C._AutoDispatchBelowAutograd  # pyright: ignore
"""Within it the dispatcher goes straight to the implementation."""


class Context(Protocol):
    """What torch hands from the forward to the backward pass."""

    options: list[Any]
    saved_tensors: tuple[Tensor, ...]
    needs_input_grad: tuple[bool, ...]

    def save_for_backward(self, *tensors: Tensor | None) -> None: ...


BackwardOp: TypeAlias = Callable[..., tuple[Tensor, Tensor]]


def cubic_a(kernel: AbstractKernel) -> float:
    """The parameter of Keys' cubic kernel; 0 for the kernels without one."""
    return float(kernel.a) if isinstance(kernel, Cubic) else 0.0


def register(namespace: str, *, fake: bool = True) -> None:
    """Tell torch about one implementation of the ops. Call once, after they are defined.

    Args:
        namespace: of the ops in `torch.ops`. All namespaces share the schemas in ``csrc/ops.cpp``.
        fake: whether to say the results' shapes, which tracing needs; not where it sees the implementation itself.
    """
    for name, (shape, save, backward) in _FORMULAS.items():
        if fake:
            torch.library.register_fake(f"{namespace}::{name}", shape)
            torch.library.register_fake(f"{namespace}::{name}_backward", _fake_backward)
        op = getattr(getattr(torch.ops, namespace), f"{name}_backward").default
        torch.library.register_autograd(f"{namespace}::{name}", partial(backward, op), setup_context=save)


def differentiated(namespace: str, name: str) -> Callable[..., Tensor]:
    """An op with its derivative, to be called where nothing but autograd watches (`unwarp._eager.eager`).

    What `register` tells torch serves every surrounding, at 5 microseconds a call and 20 a backward pass: longer than a
    small image takes.
    """
    packet = getattr(torch.ops, namespace)
    op, adjoint = getattr(packet, name).default, getattr(packet, f"{name}_backward").default
    _, save, backward = _FORMULAS[name]

    class Recorded(torch.autograd.Function):
        """One call of the op."""

        @staticmethod
        def forward(ctx: Context, *inputs: Tensor) -> Tensor:
            save(ctx, inputs, inputs[0])
            with below_autograd():
                return op(*inputs)

        @staticmethod
        def backward(ctx: Context, *grads: Tensor) -> tuple[Tensor | None, ...]:
            return backward(adjoint, ctx, grads[0])

    # Function.apply itself looks for surroundings first.
    record = cast("Callable[..., Tensor]", super(torch.autograd.Function, Recorded).apply)  # pyright: ignore

    def call(*inputs: Tensor) -> Tensor:
        if torch.is_grad_enabled() and (inputs[0].requires_grad or inputs[1].requires_grad):
            return record(*inputs)
        with below_autograd():
            return op(*inputs)

    return call


def _dense(image: Tensor) -> bool:
    """Whether each image is one contiguous block, planes of channels in order; axes of one pixel have no say."""
    expected = 1
    for size, stride in zip(reversed(image.shape[1:]), reversed(image.stride()[1:]), strict=True):
        if size != 1 and stride != expected:
            return False
        expected *= size
    return True


def _empty(image: Tensor, shape: Sequence[Any]) -> Tensor:
    """A tensor in the memory order of an op's result: the C++ function `prefers_channels_last` in words of Python."""
    if image.ndim > 3 and image.shape[1] > 1 and image.stride(1) == 1 and not _dense(image):
        order = (0, *range(2, image.ndim), 1)
        inverse = (0, image.ndim - 1, *range(1, image.ndim - 1))
        return image.new_empty([shape[axis] for axis in order]).permute(inverse)
    return image.new_empty(list(shape))


def _fake_grid(image: Tensor, grid: Tensor, *_: object) -> Tensor:
    return _empty(image, (grid.shape[0], image.shape[1], *grid.shape[1:-1]))


def _fake_matrix(image: Tensor, matrix: Tensor, size: Sequence[int], *_: object) -> Tensor:
    return _empty(image, (matrix.shape[0], image.shape[1], *size))


def _fake_basis(
    image: Tensor, coefficients: Tensor, basis: Tensor, ratio: Sequence[float], size: Sequence[int], *_: object
) -> Tensor:
    del basis, ratio
    return _empty(image, (coefficients.shape[0], image.shape[1], *size))


def _fake_backward(grad: Tensor, image: Tensor, theta: Tensor, *arguments: object) -> tuple[Tensor, Tensor]:
    del grad
    image_needed, theta_needed = arguments[-2:]
    grad_image = _empty(image, image.shape) if image_needed else image.new_empty(0)
    return grad_image, theta.new_empty(theta.shape if theta_needed else (0,))


def _save_grid(ctx: Context, inputs: tuple[Any, ...], output: Tensor) -> None:
    del output
    image, grid, *ctx.options = inputs
    ctx.save_for_backward(image, grid)


def _grid_backward(op: BackwardOp, ctx: Context, grad: Tensor) -> tuple[Tensor | None, ...]:
    image, grid = ctx.saved_tensors
    scale, *sampling = ctx.options

    def reference(image: Tensor, grid: Tensor) -> Tensor:
        return _REFERENCE.sample_grid(image, grid, scale, sampling_of(sampling))

    found = gradients(ctx, grad, (image, grid), (scale, *sampling), op, reference)
    return *found, *(None,) * len(ctx.options)


def _save_matrix(ctx: Context, inputs: tuple[Any, ...], output: Tensor) -> None:
    del output
    image, matrix, *ctx.options = inputs
    ctx.save_for_backward(image, matrix)


def _matrix_backward(op: BackwardOp, ctx: Context, grad: Tensor) -> tuple[Tensor | None, ...]:
    image, matrix = ctx.saved_tensors
    size, *sampling = ctx.options

    def reference(image: Tensor, matrix: Tensor) -> Tensor:
        return _REFERENCE.warp_matrix(image, matrix, size, sampling_of(sampling))

    found = gradients(ctx, grad, (image, matrix), sampling, op, reference)
    return *found, *(None,) * len(ctx.options)


def _save_basis(ctx: Context, inputs: tuple[Any, ...], output: Tensor) -> None:
    del output
    image, coefficients, basis, *ctx.options = inputs
    ctx.save_for_backward(image, coefficients, basis)


def _basis_backward(op: BackwardOp, ctx: Context, grad: Tensor) -> tuple[Tensor | None, ...]:
    image, coefficients, basis = ctx.saved_tensors
    ratio, size, *sampling = ctx.options

    def reference(image: Tensor, coefficients: Tensor) -> Tensor:
        return _REFERENCE.warp_basis(image, coefficients, basis, ratio, size, sampling_of(sampling))

    found = gradients(ctx, grad, (image, coefficients), (basis, ratio, *sampling), op, reference)
    return *found, *(None,) * (len(ctx.options) + 1)


_FORMULAS = {
    "sample_grid": (_fake_grid, _save_grid, _grid_backward),
    "warp_matrix": (_fake_matrix, _save_matrix, _matrix_backward),
    "warp_basis": (_fake_basis, _save_basis, _basis_backward),
}
"""Of each op: shape of the result, what the backward pass keeps, the backward pass."""


def gradients(
    ctx: Context,
    grad: Tensor,
    inputs: tuple[Tensor, Tensor],
    options: Sequence[Any],
    op: BackwardOp,
    reference: Callable[[Tensor, Tensor], Tensor],
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients of image and theta: by the op, or where they are to be differentiated in turn by the reference."""
    needed = ctx.needs_input_grad[:2]
    if not torch.is_grad_enabled():
        found = op(grad, *inputs, *options, *needed)
    else:
        found = through_reference(reference, inputs, needed, grad)
    return found[0] if needed[0] else None, found[1] if needed[1] else None


def through_reference(
    reference: Callable[..., Tensor], inputs: Sequence[Tensor | None], needed: Sequence[bool], grad: Tensor
) -> list[Tensor | None]:
    """Gradients of the inputs as functions that have gradients in turn; ``None`` of those that are not needed."""
    # Seen apart from what made them: where a localiser made theta from the image, that way is not the op's.
    apart = [None if tensor is None else tensor.view_as(tensor) for tensor in inputs]
    wanted = [tensor for tensor, asked in zip(apart, needed, strict=True) if tensor is not None and asked]
    derived = torch.autograd.grad(reference(*apart), wanted, grad, create_graph=True, materialize_grads=True)
    following = iter(derived)
    return [next(following) if asked else None for asked in needed]


def sampling_of(options: Sequence[Any]) -> Sampling:
    """What the options at the end of an op's arguments stand for."""
    kernel, a, mode = int(options[0]), float(options[1]), int(options[2])
    fill: Tensor | None = options[3]
    resolved = Cubic(a) if KERNELS[kernel] is Cubic else KERNELS[kernel]()
    return Sampling(resolved, padding.MODES[mode], fill, bool(options[4]))
