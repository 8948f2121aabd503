"""`unwarp demo`: what a spatial transformer does, in minutes, without a network connection."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from unwarp.cli.console import plain_console
from unwarp.cli.seed import LARGEST_SEED

if TYPE_CHECKING:
    from unwarp.experiments.run import Finished

__all__ = ["demo"]


def demo(
    out: Annotated[Path, typer.Option(help="Folder of the report, its pictures and the runs.")] = Path("demo"),
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of weights, order and distortions.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", help="Draw no progress bars.")] = False,
) -> None:
    """Train a CNN with and without a spatial transformer on the digits of the package, and show what it learned."""
    from unwarp.experiments.demo import EXPERIMENTS, TRANSFORMER, train_demo
    from unwarp.experiments.demo_report import COLUMNS, demo_rows, write_demo_report

    console = Console()
    runs: dict[str, Finished] = {}
    for number, name in enumerate(EXPERIMENTS, 1):
        console.print(f"[bold]{number} of {len(EXPERIMENTS)}: training the {name}[/]")
        runs[name] = train_demo(name, out, seed=seed, progress=not quiet)
    table = Table(*COLUMNS, title="Rotated, scaled and translated digits")
    for row in demo_rows(runs):
        table.add_row(*row)
    console.print(table)
    for path in write_demo_report(runs, out, transformer=TRANSFORMER):
        plain_console().print(f"written: {path.absolute()}")
