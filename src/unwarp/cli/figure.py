"""`unwarp figure`: what a trained transformer looks at."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

__all__ = ["figure"]


def figure(
    checkpoint: Annotated[Path, typer.Argument(help="A .ckpt file of a run of an st- network.")],
    out: Annotated[Path | None, typer.Option(help="PNG to write. [default: figure.png in the run's folder]")] = None,
    count: Annotated[int, typer.Option(min=1, max=100, help="How many test digits.")] = 12,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the four MNIST files; without it they are downloaded once.")
    ] = None,
) -> None:
    """Draw the paper's figure: inputs with the sampled region on them, and what the transformer made of them."""
    from unwarp.experiments.build import build_test_batches
    from unwarp.experiments.picture import straightening_figure
    from unwarp.experiments.trained import load_trained
    from unwarp.viz import save_png

    trained = load_trained(checkpoint)
    images, labels = build_test_batches(trained.config.data, data_dir=data_dir)[0]
    drawn = straightening_figure(trained.model, images[:count], labels[:count], title=trained.name)
    Console().print(f"figure: {save_png(drawn, out or checkpoint.absolute().parent.parent / 'figure.png')}")
