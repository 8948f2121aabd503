"""The table that `unwarp apply` writes: theta of every file, and what is already done."""

import csv
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from unwarp.errors import OptionError

__all__ = ["ThetaLog"]

_FIXED = ("file", "output", "height", "width", "network")


class ThetaLog:
    """A CSV file with a row for every picture that was rectified, written row by row.

    A row is written before its picture: a picture without a row is never of this program, and a row without a picture
    is work that was interrupted and is done again.

    Args:
        path: of the file; it is made, or gone on with.
        weights: the network's file, which the rows name by a digest.
        entries: how many numbers theta has.
        anew: forget what the file holds.

    Raises:
        OptionError: the file is of another network, or no such table.
    """

    def __init__(self, path: Path, weights: Path, entries: int, *, anew: bool = False) -> None:
        self.path = path
        self._network = hashlib.sha256(weights.read_bytes()).hexdigest()[:12]
        self._header = [*_FIXED, *(f"theta_{index}" for index in range(entries))]
        self._rows = {} if anew or not path.is_file() else self._read()
        self._owners = {row[1]: row[0] for row in self._rows.values()}

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        with unfinished.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([self._header, *self._rows.values()])
        unfinished.replace(self.path)  # at no moment is there a table without the rows of before
        self._file = self.path.open("a", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def finished(self, file: Path) -> bool:
        """Whether a picture was rectified before."""
        return str(file) in self._rows

    def owner(self, output: Path) -> str | None:
        """The picture that an output was made of; nothing for an output that is not of this program."""
        return self._owners.get(str(output))

    def add(self, file: Path, output: Path, size: tuple[int, int], theta: Sequence[float]) -> None:
        """Write the row of a picture."""
        row = [str(file), str(output), *map(str, size), self._network, *(f"{value:.9g}" for value in theta)]
        self._rows[str(file)], self._owners[str(output)] = row, str(file)
        self._writer.writerow(row)
        self._file.flush()

    def _read(self) -> dict[str, list[str]]:
        """Rows of pictures that are there; the last of two rows of one picture counts."""
        with self.path.open(newline="", encoding="utf-8") as file:
            header, *rows = [*csv.reader(file)] or [[]]
        complete = [row for row in rows if len(row) == len(self._header)]
        if header != self._header or any(row[_FIXED.index("network")] != self._network for row in complete):
            raise OptionError(
                f"out: {self.path} is a table of another network. Choose another folder, or replace it by --force."
            )
        return {row[0]: row for row in complete if Path(row[1]).is_file()}
