"""`unwarp warp`: warp a picture without any network, with anti-aliasing."""

from pathlib import Path
from typing import Annotated

import typer

from unwarp.cli.console import plain_console

__all__ = ["warp"]


def warp(
    image: Annotated[Path, typer.Argument(help="The picture.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write.")],
    rotate: Annotated[
        float | None, typer.Option(help="Degrees to turn the picture about its centre, anticlockwise.")
    ] = None,
    affine: Annotated[
        str | None, typer.Option(help='Six numbers "a b c d e f": the rows of the matrix, see --units.')
    ] = None,
    homography: Annotated[str | None, typer.Option(help="Nine numbers: the rows of the matrix, see --units.")] = None,
    tps: Annotated[
        Path | None, typer.Option(help='JSON {"input": [[x, y], ...], "output": [[x, y], ...]} in pixels.')
    ] = None,
    units: Annotated[
        str, typer.Option(help="Of a matrix: pixel (input to output, as OpenCV) or theta (as in theta.csv).")
    ] = "pixel",
    size: Annotated[str | None, typer.Option(help="WIDTHxHEIGHT of the result. [default: the picture's]")] = None,
    mode: Annotated[str, typer.Option(help="Kernel: nearest, bilinear, bicubic, lanczos3, ...")] = "bicubic",
    padding: Annotated[
        str, typer.Option(help="Outside of the picture: zeros, border, reflection or circular.")
    ] = "zeros",
    antialias: Annotated[
        bool, typer.Option("--antialias/--no-antialias", help="Filter what the warp makes smaller.")
    ] = True,
    max_pixels: Annotated[float, typer.Option(help="Millions of pixels that the picture may have.")] = 100.0,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
) -> None:
    """Warp one picture by a rotation, a matrix or a thin-plate spline, keeping its depth, alpha and EXIF."""
    from unwarp.data.picture_limits import pixel_limit
    from unwarp.experiments.apply import parse_size
    from unwarp.experiments.plain_warp import WarpRequest, warp_file

    request = WarpRequest(rotate=rotate, affine=affine, homography=homography, tps=tps, units=units)
    written = warp_file(
        image,
        out,
        request,
        size=None if size is None else parse_size(size),
        mode=mode,
        padding_mode=padding,
        antialias=antialias,
        most_pixels=pixel_limit(max_pixels, "--max-pixels"),
        force=force,
    )
    plain_console().print(f"warped: {written}")
