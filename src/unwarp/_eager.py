"""Whether tensors are just computed with, and nobody watches: what short cuts must know."""

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

_PLAIN = (Tensor, nn.Parameter)


def eager(*tensors: Tensor) -> bool:
    """Whether a call is no part of a trace, a mode, forward-mode differentiation or a `torch.func` transform.

    Nor is it within activation checkpointing, whose second run has to save the same tensors wherever it takes place.
    Its tensors are of torch's own type, too.

    Only then may a tensor be kept for later calls, which know nothing of this one's surroundings, or an op be called
    without torch's dispatcher looking for such surroundings.
    """
    if torch.compiler.is_compiling() or torch._C._is_tracing():  # pyright: ignore
        return False
    for tensor in tensors:
        if type(tensor) not in _PLAIN:
            return False
    modes: int = torch._C._len_torch_dispatch_stack()  # pyright: ignore
    level: int = forward_ad._current_level  # pyright: ignore
    if torch._C._autograd._top_saved_tensors_default_hooks(True) is not None:  # pyright: ignore
        return False
    return modes == 0 and level < 0 and torch._C._functorch.peek_interpreter_stack() is None  # pyright: ignore


def transformed() -> bool:
    """Whether forward-mode differentiation or a `torch.func` transform is under way, also while torch compiles."""
    return int(forward_ad._current_level) >= 0 or _in_functorch()  # pyright: ignore


def _in_functorch() -> bool:
    return torch._C._functorch.peek_interpreter_stack() is not None  # pyright: ignore


# What torch.compiler.assume_constant_result does, which would load the compiler, two seconds' worth, at import. It is
# one: the compiler enters the transforms that it meets, and guards what it compiles by those around. Traced instead,
# an empty stack would not be None.
_in_functorch._dynamo_marked_constant = True  # pyright: ignore[reportFunctionMemberAccess]
