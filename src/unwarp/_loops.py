"""Repetitions that a graph keeps as a loop, instead of writing the same ops down again for each turn."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import cast

import torch
from torch import Tensor

_KEPT = ContextVar("loops_kept", default=False)


def loops_kept() -> bool:
    """Whether a graph that is being made takes loops: those for ONNX do."""
    return _KEPT.get()


@contextmanager
def keep_loops() -> Generator[None, None, None]:
    """Within it graphs are made that take loops."""
    before = _KEPT.set(True)
    try:
        yield
    finally:
        _KEPT.reset(before)


def repeated(
    step: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], state: tuple[Tensor, Tensor], turns: int
) -> tuple[Tensor, Tensor]:
    """A step taken several times, as one op of a graph. It ends early where nothing is left.

    Args:
        step: takes and returns what was made and, for each element of it, what is left to do, at most 0 for nothing.
        state: before the first step.
        turns: at most.
    """

    def goes_on(turn: Tensor, made: Tensor, left: Tensor) -> Tensor:
        del made
        return (turn < turns) & (left > 0).any()

    def once(turn: Tensor, made: Tensor, left: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return (turn + 1, *step(made, left))

    first = torch.zeros((), dtype=torch.int64, device=state[0].device)
    _, made, left = cast("tuple[Tensor, Tensor, Tensor]", torch.while_loop(goes_on, once, (first, *state)))
    return made, left
