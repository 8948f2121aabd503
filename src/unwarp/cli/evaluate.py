"""`unwarp evaluate`: the test error of a checkpoint."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

__all__ = ["evaluate"]


def evaluate(
    checkpoint: Annotated[Path, typer.Argument(help="A .ckpt file of a run.")],
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the four MNIST files; without it they are downloaded once.")
    ] = None,
) -> None:
    """Print the test error of a checkpoint, computed in float32."""
    from unwarp.experiments.build import build_test_batches
    from unwarp.experiments.evaluation import error_rate
    from unwarp.experiments.trained import load_trained

    trained = load_trained(checkpoint)
    batches = build_test_batches(trained.config.data, data_dir=data_dir)
    error = error_rate(trained.model, batches)
    Console().print(
        f"{trained.name}, epoch {trained.epoch}: {error:.2f} % of {len(batches.labels):,} test digits wrong"
    )
