"""What a process that runs cells does when it starts; it must not outlive the one that hands it the cells."""

import os
import threading
from multiprocessing import connection, parent_process

import torch

__all__ = ["start_worker"]


def start_worker(threads: int) -> None:
    """Take a share of the cores, and end when the parent is gone, however it went.

    Args:
        threads: that torch may use in this process.
    """
    torch.set_num_threads(threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Nobody would be left to hand this process cells or to stop it."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
