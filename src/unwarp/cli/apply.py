"""`unwarp apply`: rectify pictures with a trained transformer."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from unwarp.cli.console import plain_console

__all__ = ["apply"]


def apply(
    checkpoint: Annotated[Path, typer.Argument(help="A .ckpt of a run, or exported .safetensors.")],
    inputs: Annotated[list[str], typer.Argument(metavar="IN...", help="Folders, pictures, or patterns in quotes.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the rectified pictures and theta.csv.")],
    size: Annotated[
        str | None, typer.Option(help="WIDTHxHEIGHT of every result. [default: as many pixels as are seen]")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace pictures that are there, and make all anew.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at a file that cannot be read or would be converted.")
    ] = False,
    max_pixels: Annotated[float, typer.Option(help="Millions of pixels that a picture may have.")] = 100.0,
    allow_import: Annotated[
        bool, typer.Option("--allow-import", help="Import the code that the checkpoint names.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Draw no progress bar.")] = False,
) -> None:
    """Rectify pictures at their own size, depth and transparency; run again, it goes on where it stopped.

    Leaves with the code 1 if a file could not be rectified; the others are.
    """
    from unwarp.cli.survey import print_survey
    from unwarp.data.picture_limits import pixel_limit
    from unwarp.experiments.apply import TABLE, apply_network, find_sources, parse_size
    from unwarp.experiments.network_files import load_network
    from unwarp.experiments.progress import counted

    most_pixels = pixel_limit(max_pixels, "--max-pixels")
    sources = find_sources(inputs, out)
    applied = apply_network(
        load_network(checkpoint, allow_import=allow_import),
        checkpoint,
        sources,
        out,
        size=None if size is None else parse_size(size),
        force=force,
        strict=strict,
        most_pixels=most_pixels,
        shown=partial(counted, title="rectifying", total=len(sources), shown=not quiet),
    )
    console = plain_console()
    print_survey(console, applied.failed, applied.notes)
    before = f", {applied.before:,} were there" if applied.before else ""
    console.print(f"rectified: {applied.done:,} of {len(sources):,}{before}, table: {out / TABLE}")
    if applied.failed:
        raise typer.Exit(1)
