"""Every task that digits are made into, by name."""

from unwarp import _checks
from unwarp.data.addition import Addition
from unwarp.data.distortions import DISTORTIONS
from unwarp.data.sequences import ClutteredSequences
from unwarp.data.task import Task
from unwarp.data.volumes import Volumes

__all__ = ["TASKS", "get"]

TASKS: dict[str, Task] = {
    **DISTORTIONS,
    "addition": Addition(),
    "sequences": ClutteredSequences(),
    "volumes": Volumes(),
}


def get(name: str) -> Task:
    """The task of that name.

    Raises:
        OptionError: there is none; the message names the nearest.
    """
    _checks.option("task", name, tuple(TASKS))
    return TASKS[name]
