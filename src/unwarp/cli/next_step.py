"""What a user does after a training."""

import shlex
from pathlib import Path

from torch import nn

__all__ = ["next_step"]


def next_step(checkpoint: Path, model: nn.Module, *, pictures: bool = True) -> str:
    """The command that shows what was learned.

    Args:
        checkpoint: of the run.
        model: its network.
        pictures: whether it takes pictures in grey or RGB, which a figure can show.
    """
    from unwarp.training.theta_probe import transformers

    command = "figure" if pictures and transformers(model) else "evaluate"
    return f"next: unwarp {command} {shlex.quote(str(checkpoint))}"
