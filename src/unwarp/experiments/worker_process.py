"""A process that runs cells; it must not outlive the one that hands it the cells."""

import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from multiprocessing import connection, get_context, parent_process
from typing import Any

import torch

__all__ = ["Worker", "start_worker"]

_PARTING = 10.0  # seconds from the end of the connection to that of the process


class Worker:
    """A process that calls what it is handed, one thing at a time.

    Attributes:
        connection: ready to be read, see `multiprocessing.connection.wait`, when there is an answer or none can come.

    Args:
        threads: that torch may use there.
    """

    def __init__(self, threads: int) -> None:
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(threads, theirs))
        with _deaf_to_ctrl_c():  # the process inherits it, for it is not to fall while it still imports
            self._process.start()
        theirs.close()  # so that the end of the process closes the connection

    def hand(self, function: Callable[..., Any], *arguments: object) -> None:
        """Have a function called there, whose result is not None. The answer is to be fetched before the next one."""
        with suppress(BrokenPipeError):  # it is gone, as the answer will say
            self.connection.send((function, arguments))

    def answer(self) -> Any:  # noqa: ANN401 - the result of any function
        """What the function gave; None if the process is gone.

        Raises:
            OSError: the function raised it.
        """
        try:
            given = self.connection.recv()
        except (EOFError, ConnectionError):
            return None
        if isinstance(given, OSError):
            raise given
        return given

    def exit_code(self) -> int:
        """Of a process that is gone; below zero that of a signal."""
        self._process.join(_PARTING)
        self.kill()
        return self._process.exitcode or 0

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.join()
        self.connection.close()


def start_worker(threads: int) -> None:
    """Take a share of the cores, leave Ctrl-C to the parent, and end when it is gone, however it went.

    Args:
        threads: that torch may use in this process.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _work(threads: int, handed: connection.Connection) -> None:
    start_worker(threads)
    while True:
        try:
            function, arguments = handed.recv()
        except EOFError:  # the parent is gone
            return
        try:
            answer = function(*arguments)
        except OSError as error:
            answer = error
        handed.send(answer)


def _end_with_parent() -> None:
    """Nobody would be left to hand this process cells or to stop it."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


@contextmanager
def _deaf_to_ctrl_c() -> Generator[None, None, None]:
    if threading.current_thread() is not threading.main_thread():  # no other may choose
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
