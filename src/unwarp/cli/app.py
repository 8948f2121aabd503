"""All subcommands in one application."""

from typing import Annotated

import typer

from unwarp.cli import apply, bench, data, demo, evaluate, export, figure, info, table, train, warp

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Spatial transformer networks: train them, look at what they learned.",
)


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Options that come before the subcommand; `main` reads them where errors are caught."""


app.command()(train.train)
app.command()(evaluate.evaluate)
app.command()(figure.figure)
app.command()(apply.apply)
app.command()(warp.warp)
app.command()(export.export)
app.command()(table.table)
app.add_typer(data.app, name="data")
app.command()(demo.demo)
app.command()(bench.bench)
app.command()(info.info)
