"""Every task that digits are made into, by name."""

from unwarp import _checks
from unwarp.data.addition import Addition
from unwarp.data.crops import Crops
from unwarp.data.distortions import DISTORTIONS
from unwarp.data.lines import Lines
from unwarp.data.scattered import Scattered
from unwarp.data.sequences import ClutteredSequences
from unwarp.data.task import Task
from unwarp.data.volumes import Volumes

__all__ = ["TASKS", "get"]


TASKS: dict[str, Task] = {
    **DISTORTIONS,
    "crops": Crops("crops"),
    "cluttered-crops": Crops("cluttered-crops", squares=7),  # as dense as in 84x84 pixels of tc84
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
