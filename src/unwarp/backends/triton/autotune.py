"""Tile shapes by measurement, as an option: ``UNWARP_TRITON_AUTOTUNE=1``.

Off by default: without the variable, or with 0, every call uses the static table of `tiles`. With 1 the first call of
each case times the table's tile and a few near it on the device, and the fastest serves that case until the process
ends. A case is what Triton compiles a kernel of its own for; the sizes first met decide for it.

The static table stays in use where a measurement is impossible or would change something: while torch.compile or
torch.export trace, while a CUDA graph is captured, under Triton's interpreter, and under
``torch.use_deterministic_algorithms(True)``, since another tile adds theta's gradient in another order.
"""

import os
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from math import inf
from threading import Lock
from typing import cast

import torch
from torch import Tensor

from unwarp.backends.triton.tiles import Tile
from unwarp.errors import OptionError

VARIABLE = "UNWARP_TRITON_AUTOTUNE"

_WARMUP, _TIMED = 5, 30
"""Milliseconds for each candidate, beside its compilation."""


class Chooser:
    """Which tile each case runs with: measured once, then remembered.

    Args:
        time: milliseconds that a call takes; infinite for one that cannot run.
    """

    def __init__(self, time: Callable[[Callable[[], object]], float]) -> None:
        self._time = time
        self._kept: dict[Hashable, Tile] = {}
        self._lock = Lock()

    def __call__(self, case: Hashable, candidates: Callable[[], Sequence[Tile]], run: Callable[[Tile], object]) -> Tile:
        """The fastest of the candidates, the earlier one of equals.

        Args:
            case: names the kernel and everything that its speed depends on.
            candidates: the tiles to try, asked for only where the case is new. The first is the static table's.
            run: the op with a given tile. What it returns is dropped.
        """
        with self._lock:  # autograd calls from threads of its own; two measurements at once would disturb each other
            if case not in self._kept:
                times = {tile: self._time(partial(run, tile)) for tile in candidates()}
                self._kept[case] = min(times, key=times.__getitem__)
            return self._kept[case]


def wanted() -> bool:
    """Whether the environment asks for measurements.

    Raises:
        OptionError: if the variable is neither 0 nor 1.
    """
    given = os.environ.get(VARIABLE, "0")
    if given not in ("", "0", "1"):
        raise OptionError(f"{VARIABLE}: expected 0 or 1, got {given!r}. Unset it for the static table of tiles.")
    return given == "1"


def applies(image: Tensor) -> bool:
    """Whether tiles are measured for an op on this image: it is asked for, and the op runs now, on a GPU."""
    return (
        wanted()
        and image.is_cuda
        and runs_now(image)
        and not torch.are_deterministic_algorithms_enabled()
        and not torch.cuda.is_current_stream_capturing()
    )


def runs_now(image: Tensor) -> bool:
    """Whether an op is called to compute, not to be traced: tracing passes subclasses of tensors."""
    return type(image) in (Tensor, torch.nn.Parameter) and not torch.compiler.is_compiling()


def milliseconds(call: Callable[[], object]) -> float:
    """The median time of a call on the current GPU; infinite where registers or memory do not suffice."""
    from triton.runtime.errors import OutOfResources  # pyright: ignore[reportMissingTypeStubs]
    from triton.testing import do_bench  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

    bench = cast(Callable[..., float], do_bench)
    try:
        return bench(call, warmup=_WARMUP, rep=_TIMED, return_mode="median")
    except (OutOfResources, torch.OutOfMemoryError):
        return inf


choose = Chooser(milliseconds)
"""The choices of this process."""
