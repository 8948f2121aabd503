"""`unwarp bench`: how fast the ops are here, beside other libraries, and how good the anti-aliasing is."""

import math
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from unwarp._checks import option
from unwarp.errors import DataError, OptionError

__all__ = ["bench"]

_CLOCKED, _WITH_JOBS = ("cpu", "step"), ("cpu", "gpu", "quality")
_CLOCKS = ("wall", "cpu")


def bench(
    what: Annotated[
        str, typer.Argument(help="What to measure: cpu, gpu, quality (of anti-aliasing), or step (of training).")
    ] = "cpu",
    seconds: Annotated[
        float | None, typer.Option(help="Time for each line of the table: by default 2, of quality 10, of step 20.")
    ] = None,
    clock: Annotated[
        str | None, typer.Option(help="wall, or cpu on a machine that others use too (for cpu and step).")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="A job to run, not of step; again for more. All by default.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the JSON and the plot.")] = None,
) -> None:
    """Time unwarp, torch, kornia, OpenCV, MONAI and scipy in one run, each where it is installed.

    On a GPU: unwarp, torch (eager and compiled), kornia, and a copy of the same bytes.
    """
    folder = Path(__file__).parents[3] / "benchmarks"
    known = sorted(path.stem for path in folder.glob("*.py") if path.stem in ("cpu", "gpu", "quality", "step"))
    if not known:
        raise DataError("bench: the benchmarks are not part of an installed package. Run this in a clone of unwarp.")
    if what not in known:
        raise OptionError(f"bench: expected one of {', '.join(known)}, got {what!r}.")
    _check(what, seconds, clock, only)
    arguments: list[str] = []
    if seconds is not None:
        arguments += ["--seconds", str(seconds)]
    if clock is not None:
        arguments += ["--clock", clock]
    if only:
        arguments += ["--only", *only]
    if out is not None:
        arguments += ["--out", str(out)]
    # A process of its own: nothing that this one has imported or allocated takes part in the timing.
    raise typer.Exit(subprocess.run([sys.executable, str(folder / f"{what}.py"), *arguments], check=False).returncode)


def _check(what: str, seconds: float | None, clock: str | None, only: list[str] | None) -> None:
    """Refuse what the benchmark has no meaning for."""
    if seconds is not None and not (seconds >= 0 and math.isfinite(seconds)):
        raise OptionError(f"--seconds: expected a number of seconds, 0 or more, got {seconds}.")
    if clock is not None:
        option("--clock", clock, _CLOCKS)
        _belongs("--clock", what, _CLOCKED)
    if only:
        _belongs("--only", what, _WITH_JOBS)


def _belongs(name: str, what: str, known: tuple[str, ...]) -> None:
    if what not in known:
        raise OptionError(f"{name}: expected bench {' or '.join(known)} with it, got bench {what}. Leave {name} out.")
