"""`unwarp table`: run what is missing of a table, and make it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from unwarp.experiments.cell_pool import CellOutcome
    from unwarp.experiments.table_figures import TableCell
    from unwarp.experiments.tables import TableLayout

__all__ = ["table"]


def table(
    name: Annotated[str, typer.Argument(help="The table: 1.")],
    settings: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Changed settings of every experiment."),
    ] = None,
    budget: Annotated[str, typer.Option(help="How long to train: quick, standard or paper.")] = "standard",
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each experiment.")] = 1,
    jobs: Annotated[int, typer.Option(min=1, help="Runs at a time.")] = 1,
    only: Annotated[
        list[str] | None, typer.Option(help="Run these experiments: a name or a pattern like 'mnist-r/*'; repeatable.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the four MNIST files; without it they are downloaded once.")
    ] = None,
    runs: Annotated[Path, typer.Option(help="Folder of checkpoints and logs.")] = Path("runs"),
    results: Annotated[Path, typer.Option(help="Folder of all records and of the table.")] = Path("results"),
    docs: Annotated[Path | None, typer.Option(help="Markdown page with a section for this table.")] = None,
    no_run: Annotated[bool, typer.Option("--no-run", help="Train nothing: make the table of what has run.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Draw no progress bars.")] = False,
) -> None:
    """Run what is missing of a table, then print and save it. After an interruption the same command goes on."""
    from unwarp.experiments.cell_pool import run_cells
    from unwarp.experiments.cell_run import Folders
    from unwarp.experiments.cells import cells
    from unwarp.experiments.table_figures import collect
    from unwarp.experiments.table_files import write_table
    from unwarp.experiments.tables import layout

    console, chosen, assignments = Console(), layout(name), settings or []
    failed = 0
    if not no_run:
        wanted = cells(chosen.matching(only or []), assignments, budget=budget, seeds=seeds)
        folders = Folders(runs, results, data_dir)
        try:
            for number, outcome in enumerate(run_cells(wanted, folders, jobs=jobs, progress=not quiet), 1):
                failed += _tell(console, outcome, number, len(wanted))
        except KeyboardInterrupt:
            console.print("Interrupted. The same command goes on after the last finished epoch.")
            raise typer.Exit(130) from None
    figures = collect(chosen, results, assignments, budget=budget)
    _print(console, chosen, figures)
    for path in write_table(name, chosen, figures, results, budget=budget, assignments=assignments, docs=docs):
        console.print(f"written: {path}", soft_wrap=True)
    raise typer.Exit(1 if failed else 0)


def _tell(console: Console, outcome: "CellOutcome", number: int, count: int) -> bool:
    """Print what became of a cell; true where it failed."""
    failed = isinstance(outcome.state, Exception)
    place = f"{outcome.cell.experiment.name} ({outcome.cell.experiment.label}), seed {outcome.cell.seed}"
    console.print(f"{number} of {count}: {place}: {'failed: ' if failed else ''}{outcome.state}", soft_wrap=True)
    return failed


def _print(console: Console, chosen: "TableLayout", figures: "Sequence[TableCell]") -> None:
    from unwarp.experiments.table_markdown import DETAILS, detail_rows, overview_rows

    overview = Table("", *chosen.columns, title=f"{chosen.title}: {chosen.quantity}, ours (published)")
    for row in overview_rows(chosen, figures):
        overview.add_row(*row)
    details = Table(*DETAILS)
    for row in detail_rows([cell for cell in figures if cell.ours is not None]):
        details.add_row(*row)
    console.print(overview, details)
