"""`unwarp table`: run what is missing of a table, and make it."""

import itertools
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from unwarp.cli.console import plain_console
from unwarp.cli.interruption import interruptible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from unwarp.experiments.cell_pool import CellOutcome
    from unwarp.experiments.cell_run import Folders
    from unwarp.experiments.cells import Cell
    from unwarp.experiments.table_figures import TableCell
    from unwarp.experiments.tables import TableLayout

__all__ = ["table"]


def table(
    name: Annotated[str, typer.Argument(help="The table: 1, addition, colocalisation, volumes or beyond.")],
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
    docs: Annotated[
        Path | None,
        typer.Option(
            help="Markdown page with a section for this table. --check alone finds all in docs/ beside results/."
        ),
    ] = None,
    no_run: Annotated[bool, typer.Option("--no-run", help="Train nothing: make the table of what has run.")] = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Change nothing: compare the table and its sections of docs/ with the records and kept weights.",
        ),
    ] = False,
    keep: Annotated[
        list[str] | None,
        typer.Option(help="Keep an experiment's weights beside its record, for --check; repeatable."),
    ] = None,
    samples: Annotated[
        bool, typer.Option("--samples", help="Draw what the transformers do, of the runs whose checkpoints are here.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Draw no progress bars.")] = False,
) -> None:
    """Run what is missing of a table, then print and save it. After an interruption the same command goes on."""
    from unwarp.experiments.cell_run import Folders
    from unwarp.experiments.cells import cells
    from unwarp.experiments.table_figures import collect
    from unwarp.experiments.table_files import section_name, table_paths, write_table
    from unwarp.experiments.table_samples import write_samples
    from unwarp.experiments.tables import layout

    console, chosen, assignments = plain_console(), layout(name), settings or []
    wanted = cells(chosen.matching(only or []), assignments, budget=budget, seeds=seeds)
    folders, section = Folders(runs, results, data_dir), section_name(name, budget, assignments)
    if check:
        raise typer.Exit(
            _check(console, chosen, collect(chosen, results, assignments, budget=budget), folders, section, docs)
        )
    failed = 0 if no_run else _run(console, wanted, folders, jobs=jobs, progress=not quiet)
    _keep(console, keep or [], wanted, folders)
    if samples:
        drawn = write_samples(wanted, folders, table_paths(results, section).samples)
        for reason, names in drawn.skipped.items():
            console.print(f"not drawn, {reason}: {', '.join(names)}")
    figures = collect(chosen, results, assignments, budget=budget)
    _print(console, chosen, figures)
    for path in write_table(chosen, figures, results, section, page=docs):
        console.print(f"written: {path}")
    raise typer.Exit(1 if failed else 0)


def _run(console: Console, wanted: "Sequence[Cell]", folders: "Folders", *, jobs: int, progress: bool) -> int:
    """Run what is missing; how many cells failed."""
    from unwarp.experiments.cell_pool import run_cells

    failed = 0
    outcomes = run_cells(wanted, folders, jobs=jobs, progress=progress)
    with interruptible(console, "The same command"), closing(outcomes):
        for number, outcome in enumerate(outcomes, 1):
            failed += _tell(console, outcome, f"{number} of {len(wanted)}")
    return failed


def _tell(console: Console, outcome: "CellOutcome", number: str) -> bool:
    """Print what became of a cell; true where it failed."""
    failed = isinstance(outcome.state, Exception)
    place = f"{outcome.cell.experiment.name} ({outcome.cell.experiment.label}), seed {outcome.cell.seed}"
    console.print(f"{number}: {place}: {'failed: ' if failed else ''}{outcome.state}")
    return failed


def _print(console: Console, chosen: "TableLayout", figures: "Sequence[TableCell]") -> None:
    from unwarp.experiments.table_markdown import DETAILS, detail_rows, overview_rows

    overview = Table(*_folding("", *chosen.columns), title=f"{chosen.title}: {chosen.quantity}, ours (published)")
    for row in overview_rows(chosen, figures):
        overview.add_row(*row)
    details = Table(*_folding(*DETAILS))
    for row in detail_rows([cell for cell in figures if cell.ours is not None]):
        details.add_row(*row)
    console.print(overview, details, soft_wrap=False)


def _folding(*titles: str) -> list[Column]:
    """Columns whose figures go on in the next line where there is no room for them."""
    return [Column(title, overflow="fold") for title in titles]


def _check(
    console: Console,
    chosen: "TableLayout",
    figures: "Sequence[TableCell]",
    folders: "Folders",
    section: str,
    docs: Path | None,
) -> int:
    """Print what the checks find; 1 if something is not as it should be."""
    from unwarp.experiments.table_check import check_files, check_kept, check_weights
    from unwarp.experiments.table_markdown import pages_with

    wrong = 0
    pages = pages_with(section, folders.results.parent / "docs") if docs is None else [docs]
    files = check_files(chosen, figures, folders.results, section, pages)
    kept = check_kept(chosen, figures, folders.results, section)
    weights = check_weights(chosen, folders.results, data_dir=folders.data)
    for text, sound in itertools.chain(files, kept, weights):
        console.print(f"{'sound' if sound else 'WRONG'}: {text}")
        wrong += not sound
    return min(wrong, 1)


def _keep(console: Console, names: "Sequence[str]", wanted: "Sequence[Cell]", folders: "Folders") -> None:
    """Keep the weights of the run of each experiment that did best on the validation digits."""
    from unwarp.errors import OptionError
    from unwarp.experiments.cells import finished_record
    from unwarp.experiments.kept_weights import keep_weights

    for name in names:
        own = [(cell, finished_record(cell, folders.results)) for cell in wanted if cell.experiment.name == name]
        done = [(cell, record) for cell, record in own if record is not None]
        if not done:
            raise OptionError(f"keep: expected an experiment of this command that has run, got {name!r}.")
        cell, record = min(done, key=lambda pair: pair[1].validation_error)
        checkpoint = folders.runs / cell.place / "checkpoints" / "best.ckpt"
        card = keep_weights(record, checkpoint, folders.results, data_dir=folders.data)
        console.print(f"kept: {card}")
