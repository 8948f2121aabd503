"""The table that `unwarp apply` writes: theta of every file, and what is already done."""

import csv
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from unwarp.errors import OptionError

__all__ = ["ThetaLog", "ThetaRow"]

_FIXED = ("file", "output", "height", "width", "output_height", "output_width", "network")
_SIZES = slice(2, 6)


class ThetaRow(NamedTuple):
    """A picture that was rectified.

    Attributes:
        file: of the picture.
        output: what was made of it.
        size: height and width of the picture.
        made: height and width of the result.
        theta: what the network predicted.
    """

    file: Path
    output: Path
    size: tuple[int, int]
    made: tuple[int, int]
    theta: Sequence[float]


class ThetaLog:
    """A CSV file with a row for every picture that was rectified, written row by row.

    A row is written before its picture: a picture without a row is never of this program, and a row without a picture
    is work that was interrupted and is done again.

    Relative paths in it are relative to its folder, so that the same files are found again by whatever path and from
    whatever folder they are named.

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
        self._folder = path.parent.resolve()
        self._rows = {} if anew or not path.is_file() else self._read()
        self._owners = {self._place(cells[1]): file for file, cells in self._rows.items()}

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

    def finished(self, file: Path) -> ThetaRow | None:
        """The row of a picture that was rectified before."""
        cells = self._rows.get(file.resolve())
        if cells is None:
            return None
        height, width, made_height, made_width = map(int, cells[_SIZES])
        theta = [float(cell) for cell in cells[len(_FIXED) :]]
        return ThetaRow(file, self._place(cells[1]), (height, width), (made_height, made_width), theta)

    def owner(self, output: Path) -> Path | None:
        """The picture that an output was made of; nothing for an output that is not of this program."""
        return self._owners.get(output.resolve())

    def add(self, row: ThetaRow) -> None:
        """Write the row of a picture."""
        numbers = [f"{value:.9g}" for value in row.theta]
        paths = [self._written(row.file), self._written(row.output)]
        cells = [*paths, *map(str, row.size + row.made), self._network, *numbers]
        self._rows[row.file.resolve()], self._owners[row.output.resolve()] = cells, row.file.resolve()
        self._writer.writerow(cells)
        self._file.flush()

    def _written(self, path: Path) -> str:
        """A path as it stands in the table: one that was given absolute stays so."""
        if path.is_absolute():
            return str(path)
        whole = path.parent.resolve() / path.name
        try:
            return os.path.relpath(whole, self._folder)
        except ValueError:  # another drive of Windows
            return str(whole)

    def _place(self, cell: str) -> Path:
        return (self._folder / cell).resolve()

    def _read(self) -> dict[Path, list[str]]:
        """Rows of pictures that are there, by the picture; the last of two rows of one picture counts."""
        with self.path.open(newline="", encoding="utf-8") as file:
            header, *rows = [*csv.reader(file)] or [[]]
        complete = [row for row in rows if len(row) == len(self._header) and _is_whole(row)]
        if header != self._header or any(row[_FIXED.index("network")] != self._network for row in complete):
            raise OptionError(
                f"out: {self.path} is a table of another network, or of an earlier unwarp. Choose another folder, or "
                "replace it by --force."
            )
        return {self._place(row[0]): row for row in complete if self._place(row[1]).is_file()}


def _is_whole(row: list[str]) -> bool:
    """Whether every number of a row can be read: the last row of an interrupted run may have been cut."""
    try:
        list(map(float, row[len(_FIXED) :]))
    except ValueError:
        return False
    return all(map(str.isdecimal, row[_SIZES]))
