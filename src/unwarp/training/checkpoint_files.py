"""Checkpoint files that are written whole or not at all."""

import io
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from unwarp._whole_file import write_whole

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
        content = io.BytesIO()
        torch.save(checkpoint, content)
        write_whole(Path(path), content.getbuffer(), durable=True)
