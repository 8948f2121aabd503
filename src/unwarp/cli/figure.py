"""`unwarp figure`: what a trained transformer looks at."""

from pathlib import Path
from typing import Annotated

import typer

from unwarp.cli.console import plain_console

__all__ = ["figure"]


def figure(
    checkpoint: Annotated[Path, typer.Argument(help="A .ckpt of a run with a transformer, or .safetensors.")],
    images: Annotated[
        list[str] | None, typer.Argument(metavar="[IMAGES]...", help="Pictures, folders, or patterns in quotes.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="PNG, JPEG, PDF or SVG to write. [default: figure.png in the run's folder]"),
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=100, help="How many pictures to draw.")] = 12,
    gif: Annotated[
        Path | None, typer.Option(help="GIF to write as well: the training run, or the steps of a look.")
    ] = None,
    theta: Annotated[Path | None, typer.Option(help="Picture to write as well: how theta is distributed.")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the four MNIST files; without it they are downloaded once.")
    ] = None,
    max_pixels: Annotated[float, typer.Option(help="Millions of pixels that a picture may have.")] = 100.0,
    allow_import: Annotated[
        bool, typer.Option("--allow-import", help="Import the code that the checkpoint names.")
    ] = False,
) -> None:
    """Draw the paper's figure: inputs with the sampled region on them, and what the transformer made of them.

    Without IMAGES it draws test digits, or pictures of the folder that the network was trained on.
    """
    from unwarp.cli.survey import print_survey
    from unwarp.data.picture_limits import pixel_limit
    from unwarp.experiments.network_files import load_network
    from unwarp.experiments.run_place import run_place
    from unwarp.experiments.shown_pictures import choose_pictures
    from unwarp.experiments.transformer_pictures import draw_distribution, draw_figure, draw_frames
    from unwarp.viz import save_gif
    from unwarp.viz.figure_file import ANIMATIONS, FORMATS, file_format, save_figure

    most_pixels = pixel_limit(max_pixels, "--max-pixels")
    path = out or run_place(checkpoint) / "figure.png"
    for option, file, formats in (("--out", path, FORMATS), ("--theta", theta, FORMATS), ("--gif", gif, ANIMATIONS)):
        if file is not None:  # said before the work, not after it
            file_format(file, option, formats)
    network = load_network(checkpoint, allow_import=allow_import)
    chosen = choose_pictures(network, images or [], data_dir=data_dir, most_pixels=most_pixels)
    console = plain_console()
    print_survey(console, chosen.skipped, chosen.converted)
    drawn = draw_figure(network, chosen.first(count))  # everything is drawn before anything is written
    distribution = draw_distribution(network, chosen) if theta is not None else None
    animation = draw_frames(network, checkpoint, chosen.first(min(count, 4))) if gif is not None else None
    console.print(f"figure: {save_figure(drawn, path)}")
    if theta is not None and distribution is not None:
        console.print(f"theta of {len(chosen):,} pictures: {save_figure(distribution, theta)}")
    if gif is not None and animation is not None:
        frames, what = animation
        console.print(f"{what}: {save_gif(frames, gif)}")
