"""`unwarp train`: train an experiment of the catalogue."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from unwarp.cli.console import plain_console
from unwarp.cli.interruption import interruptible
from unwarp.cli.seed import LARGEST_SEED

if TYPE_CHECKING:
    from unwarp.experiments.run import Finished

__all__ = ["train"]


def _list(wanted: bool) -> None:
    if wanted:
        from unwarp.experiments.catalog import CATALOG

        typer.echo("\n".join(CATALOG))
        raise typer.Exit


def train(
    name: Annotated[str, typer.Argument(help="An experiment, for example mnist-rts/st-cnn-affine, or folder/ROOT.")],
    settings: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Changed settings, for example training.epochs=5."),
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the four MNIST files; without it they are downloaded once.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of weights, order and distortions.")] = 0,
    budget: Annotated[str, typer.Option(help="How long to train: quick, standard or paper.")] = "standard",
    out: Annotated[Path | None, typer.Option(help="Folder of the run. [default: runs/NAME/LABEL-seedN]")] = None,
    results: Annotated[Path, typer.Option(help="Folder of all records; the run's record is copied there.")] = Path(
        "results"
    ),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in its folder, if there is one.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run in its folder.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Of a folder: stop at a file that is unreadable or would be converted.")
    ] = False,
    devices: Annotated[int, typer.Option(help="Devices of each machine that train together.")] = 1,
    num_nodes: Annotated[int, typer.Option(help="Machines that train together.")] = 1,
    strategy: Annotated[
        str, typer.Option(help="How they work together: auto, ddp or ddp_find_unused_parameters_true.")
    ] = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", help="Draw no progress bar.")] = False,
    list_: Annotated[
        bool, typer.Option("--list", callback=_list, is_eager=True, help="Print the names of all experiments.")
    ] = False,
) -> None:
    """Train an experiment, or a network on your own pictures (folder/ROOT), test it, and write down what came out."""
    from unwarp.cli.train_folder import train_folder
    from unwarp.experiments.folder_run import folder_root
    from unwarp.training.devices import Devices, is_writer

    root = folder_root(name)
    together = Devices(devices, nodes=num_nodes, strategy=strategy)
    together.join()
    if root is not None:
        train_folder(
            root,
            settings or [],
            out=out,
            seed=seed,
            strict=strict,
            resume=resume,
            overwrite=overwrite,
            quiet=quiet,
            devices=together,
        )
        return
    from unwarp.cli.next_step import next_step
    from unwarp.data import tasks
    from unwarp.experiments.experiment import choose
    from unwarp.experiments.network_files import intake_of
    from unwarp.experiments.records import write_record
    from unwarp.experiments.run import run

    experiment = choose(name, settings or [], budget=budget)
    folder = out or Path("runs", experiment.name, f"{experiment.label}{together.label}-seed{seed}")
    console = plain_console(quiet=not is_writer())
    console.print(f"{experiment.name} ({experiment.label}), seed {seed}: {folder}")
    with interruptible(console, "The same command with --resume"):
        finished = run(
            experiment,
            folder,
            seed=seed,
            data_dir=data_dir,
            resume=resume,
            overwrite=overwrite,
            progress=not quiet and is_writer(),
            devices=together,
        )
    if not is_writer():
        return
    copy = write_record(finished.record, results / finished.record.file)
    console.print(_summary(finished), soft_wrap=False)
    drawn = intake_of(tasks.get(experiment.config.data.distortion)) is not None
    following = next_step(finished.checkpoint, finished.model, pictures=drawn)
    console.print(f"record: {copy}\nweights: {finished.checkpoint}\n{following}")


def _summary(finished: "Finished") -> Table:
    from unwarp.experiments.catalog import BUDGETS
    from unwarp.experiments.published import published_error, published_text

    record, published = finished.record, published_error(finished.record.name)
    table = Table(show_header=False)
    table.add_row("test error", f"{record.test_error:.2f} %")
    if published is not None and record.label in BUDGETS:
        table.add_row("published", f"{published_text(published)} %")
    table.add_row("validation error", f"{record.validation_error:.2f} %")
    table.add_row("parameters", f"{record.parameters:,}")
    table.add_row("training time", f"{record.seconds:.0f} s for {len(record.history)} epochs")
    return table
