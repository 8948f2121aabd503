"""Checkpoint files that are written whole or not at all."""

import io
import os
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

__all__ = ["WholeCheckpoints"]


class WholeCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint beside the one that it replaces, so that a full disk or a kill leaves the old one whole.

    Lightning's own writer goes by the folder for temporary files. From there to another file system a file is not
    moved but copied, over the good one.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: object = None) -> None:
        """Write a file.

        Args:
            checkpoint: what is to be saved.
            path: of the file; missing folders are made.
            storage_options: must be left out, as for the class above.

        Raises:
            OSError: it cannot be written; what was there stays. The error names ``path``.
            TypeError: there are ``storage_options``.
        """
        if storage_options is not None:
            raise TypeError("storage_options: expected none for checkpoints in local files. Leave them out.")
        path = Path(path)
        content = io.BytesIO()
        torch.save(checkpoint, content)
        unfinished = path.with_name(f".{path.name}.unfinished")  # one name: what a kill leaves is written over
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(unfinished, content.getbuffer())
            unfinished.replace(path)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error
        finally:
            unfinished.unlink(missing_ok=True)


def _write(path: Path, content: memoryview) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())  # else a power cut could leave the new name without its bytes
