"""Where a run begins: anew, or at its last checkpoint."""

import shutil
from collections.abc import Callable
from pathlib import Path

from unwarp.errors import OptionError
from unwarp.experiments.records import RECORD
from unwarp.training.devices import is_writer
from unwarp.training.fit import CHECKPOINTS, LAST

__all__ = ["starting_point"]


def starting_point(folder: Path, refuse_other: Callable[[Path], None], *, resume: bool, overwrite: bool) -> Path | None:
    """The checkpoint to go on from; nothing for a start from scratch.

    Args:
        folder: of the run.
        refuse_other: raises where a checkpoint is of another run.
        resume: go on from the last checkpoint, if there is one.
        overwrite: delete the checkpoints and the record that there are.

    Raises:
        OptionError: there is a run, and neither or both of the two were asked for.
    """
    if resume and overwrite:
        raise OptionError("resume, overwrite: expected one of the two, got both. Leave out --overwrite to go on.")
    last = folder / CHECKPOINTS / f"{LAST}.ckpt"
    if overwrite and is_writer():
        (folder / RECORD).unlink(missing_ok=True)  # first, so that it is never taken for one of the new checkpoints
        if last.parent.exists():
            shutil.rmtree(last.parent)
    if overwrite or not last.exists():
        return None
    if not resume:
        raise OptionError(
            f"out: {folder} already holds a run. Go on with it by --resume, replace it by --overwrite, "
            "or choose another folder by --out."
        )
    refuse_other(last)
    return last
