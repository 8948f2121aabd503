"""Every task that digits are made into, by name."""

import torch
from torch import Tensor

from unwarp import _checks
from unwarp._typing import Float, Shaped
from unwarp.data.addition import Addition
from unwarp.data.distortions import DISTORTIONS, Distortion, as_images
from unwarp.data.lines import Lines
from unwarp.data.scattered import Scattered
from unwarp.data.sequences import ClutteredSequences
from unwarp.data.task import Task
from unwarp.data.volumes import Volumes

__all__ = ["TASKS", "get"]


def _undistorted(digits: Shaped[Tensor, "n 28 28"], generator: torch.Generator) -> Float[Tensor, "n 1 28 28"]:
    del generator
    return as_images(digits)


TASKS: dict[str, Task] = {
    "plain": Distortion("plain", (28, 28), _undistorted),
    **DISTORTIONS,
    "addition": Addition(),
    "sequences": ClutteredSequences(),
    "volumes": Volumes(),
    "t84": Scattered("t84"),
    "tc84": Scattered("tc84", squares=16),
    "lines": Lines(),
}


def get(name: str) -> Task:
    """The task of that name.

    Raises:
        OptionError: there is none; the message names the nearest.
    """
    _checks.option("task", name, tuple(TASKS))
    return TASKS[name]
