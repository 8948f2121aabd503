"""`unwarp figure`: what a trained transformer looks at."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

__all__ = ["figure"]


def figure(
    checkpoint: Annotated[Path, typer.Argument(help="A .ckpt of a run with a transformer, or .safetensors.")],
    images: Annotated[
        list[str] | None, typer.Argument(metavar="[IMAGES]...", help="Pictures, folders, or patterns in quotes.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="PNG to write. [default: figure.png in the run's folder]")
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=100, help="How many pictures to draw.")] = 12,
    gif: Annotated[
        Path | None, typer.Option(help="GIF to write as well: the training run, or the steps of a look.")
    ] = None,
    theta: Annotated[Path | None, typer.Option(help="PNG to write as well: how theta is distributed.")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the four MNIST files; without it they are downloaded once.")
    ] = None,
    max_pixels: Annotated[float, typer.Option(min=0, help="Millions of pixels that a picture may have.")] = 100.0,
    allow_import: Annotated[
        bool, typer.Option("--allow-import", help="Import the code that the checkpoint names.")
    ] = False,
) -> None:
    """Draw the paper's figure: inputs with the sampled region on them, and what the transformer made of them.

    Without IMAGES it draws test digits, or pictures of the folder that the network was trained on.
    """
    from unwarp.cli.survey import print_survey
    from unwarp.experiments.network_files import load_network
    from unwarp.experiments.shown_pictures import choose_pictures
    from unwarp.experiments.transformer_pictures import draw_distribution, draw_figure, draw_frames
    from unwarp.viz import save_gif, save_png

    network = load_network(checkpoint, allow_import=allow_import)
    chosen = choose_pictures(network, images or [], data_dir=data_dir, most_pixels=int(max_pixels * 1e6))
    path = out or checkpoint.absolute().parent.parent / "figure.png"
    console = Console(soft_wrap=True)
    print_survey(console, chosen.skipped, chosen.converted)
    console.print(f"figure: {save_png(draw_figure(network, chosen.first(count)), path)}")
    if theta is not None:
        console.print(f"theta of {len(chosen):,} pictures: {save_png(draw_distribution(network, chosen), theta)}")
    if gif is not None:
        frames, what = draw_frames(network, checkpoint, chosen.first(min(count, 4)))
        console.print(f"{what}: {save_gif(frames, gif)}")
