"""`unwarp data`: fetch, check and look at the digits."""

from pathlib import Path
from typing import Annotated

import typer

from unwarp.cli.console import plain_console
from unwarp.cli.seed import LARGEST_SEED

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="The digits: download them, check them, look at them.")


@app.command()
def fetch() -> None:
    """Download MNIST into the cache, unless it is there and sound."""
    from unwarp.data import mnist
    from unwarp.data.download import cache_directory

    sizes = [len(mnist.load(split)) for split in mnist.SPLITS]
    plain_console().print(f"MNIST: {sizes[0]:,} training and {sizes[1]:,} test digits in {cache_directory()}")


@app.command()
def verify(
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the four MNIST files. [default: the cache]")] = None,
) -> None:
    """Check that the MNIST files are there and whole. Downloads nothing.

    Files in the cache are compared with the digests of the published ones; those of a folder may be any digits in the
    same format, so of them the structure alone is checked.
    """
    from unwarp.data import mnist

    found = "the published files" if data_dir is None else "whole; any digits in this format pass"
    for split in mnist.SPLITS:
        digits = mnist.load(split, data_dir=data_dir, download=False)
        plain_console().print(f"{split}: {len(digits):,} digits, {found}")


@app.command()
def show(
    distortion: Annotated[str, typer.Argument(help="r, rts, p, e or tc.")],
    out: Annotated[Path | None, typer.Option(help="PNG, JPEG, PDF or SVG to write. [default: DISTORTION.png]")] = None,
    count: Annotated[int, typer.Option(min=1, max=400, help="How many digits.")] = 40,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of the distortions.")] = 0,
) -> None:
    """Draw distorted digits. Uses the digits that come with the package."""
    from unwarp.data import distortions, mnist_subset
    from unwarp.data.distorted_mnist import distort_once
    from unwarp.experiments.picture import contact_sheet
    from unwarp.viz.figure_file import save_figure

    digits = mnist_subset.subset("test")[:count]
    images = distort_once(digits, distortions.get(distortion), seed=seed)
    written = save_figure(contact_sheet(images), out or Path(f"{distortion}.png"), name="--out")
    plain_console().print(f"digits: {written}")
