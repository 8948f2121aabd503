"""The folder of the run that a checkpoint is of."""

from pathlib import Path

from unwarp.training.fit import CHECKPOINTS

__all__ = ["run_place"]


def run_place(checkpoint: Path) -> Path:
    """The folder of a run for one of its checkpoints; for any other file, the folder that it lies in."""
    folder = checkpoint.absolute().parent
    return folder.parent if folder.name == CHECKPOINTS else folder
