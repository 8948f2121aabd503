"""`unwarp evaluate`: the test error of a checkpoint."""

from pathlib import Path
from typing import Annotated

import typer

from unwarp.cli.console import plain_console

__all__ = ["evaluate"]

_SEEN = {"folder": "pictures", "lines": "lines", "mnist-addition": "sums"}
"""What a network tells, by the first part of its name, where it is not digits."""


def evaluate(
    checkpoint: Annotated[Path, typer.Argument(help="A .ckpt of a run, or exported .safetensors.")],
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the four MNIST files; without it they are downloaded once.")
    ] = None,
    allow_import: Annotated[
        bool, typer.Option("--allow-import", help="Import the code that the checkpoint names.")
    ] = False,
) -> None:
    """Print the test error of a checkpoint, computed in float32."""
    from unwarp.experiments.evaluation import wrong_answers
    from unwarp.experiments.network_files import load_network
    from unwarp.experiments.shown_pictures import held_out_batches

    network = load_network(checkpoint, allow_import=allow_import)
    batches = held_out_batches(network, data_dir=data_dir)
    what = _SEEN.get(network.name.partition("/")[0], "digits")
    wrong = wrong_answers(network.model, batches)
    error = 100 * wrong.float().mean().item()
    plain_console().print(f"{network.name}, epoch {network.epoch}: {error:.2f} % of {len(wrong):,} test {what} wrong")
