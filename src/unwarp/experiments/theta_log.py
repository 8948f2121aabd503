"""The table that `unwarp apply` writes: theta of every file, and what is already done."""

import csv
import hashlib
import os
from collections.abc import Iterable, Sequence
from io import StringIO, TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple, Self

from unwarp._whole_file import write_whole
from unwarp.errors import OptionError

__all__ = ["ThetaLog", "ThetaRow"]

_FIXED = ("file", "output", "height", "width", "output_height", "output_width", "network")
_OUTPUT, _SIZES = 1, slice(2, 6)


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

    A row is written before its picture: a row without a picture is work that was interrupted and is done again. A
    picture without a row is not of this program, but for those that a hidden file beside the table lists: they are of
    rows that were forgotten, and stay where they are until others are made.

    Relative paths in it are relative to its folder, so that the same files are found again by whatever path and from
    whatever folder they are named.

    Args:
        path: of the file; it is made, or gone on with.
        weights: the network's file, which the rows name by a digest.
        entries: how many numbers theta has.
        anew: forget what the file holds; its pictures may be replaced.

    Raises:
        OptionError: the file is of another network, or no such table.
    """

    def __init__(self, path: Path, weights: Path, entries: int, *, anew: bool = False) -> None:
        self.path = path
        self._network = hashlib.sha256(weights.read_bytes()).hexdigest()[:12]
        self._header = [*_FIXED, *(f"theta_{index}" for index in range(entries))]
        self._folder = path.parent.resolve()
        self._list = path.with_name(f".{path.stem}.outdated{path.suffix}")
        header, *rows = [*_rows_of(path)] or [[]]
        self._rows = {} if anew or not path.is_file() else self._finished(header, rows)
        self._owners = {self._place(cells[_OUTPUT]): file for file, cells in self._rows.items()}
        forgotten = rows if anew and tuple(header[: len(_FIXED)]) == _FIXED else []
        places = [row[_OUTPUT] for row in forgotten if len(row) > _OUTPUT]
        places += [row[0] for row in _rows_of(self._list) if row]
        self._outdated = {self._place(place): place for place in places}

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._write_outdated()  # before their rows are gone
        _write(self.path, [self._header, *self._rows.values()])
        self._file = _open(self.path, "a")
        self._writer = csv.writer(self._file)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._write_outdated()

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

    def outdated(self, output: Path) -> bool:
        """Whether an output is of a row that was forgotten, so that it may be replaced."""
        return output.resolve() in self._outdated

    def add(self, row: ThetaRow) -> None:
        """Write the row of a picture, and remove an older output: it is not what the row says."""
        row.output.unlink(missing_ok=True)
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

    def _write_outdated(self) -> None:
        """List the outputs of forgotten rows that are still there; without any there is no list."""
        left = [[cell] for place, cell in self._outdated.items() if place not in self._owners and place.is_file()]
        if left:
            _write(self._list, left)
        else:
            self._list.unlink(missing_ok=True)

    def _finished(self, header: list[str], rows: list[list[str]]) -> dict[Path, list[str]]:
        """Rows of pictures that are there, by the picture; the last of two rows of one picture counts."""
        complete = [row for row in rows if len(row) == len(self._header) and _is_whole(row)]
        if header != self._header or any(row[_FIXED.index("network")] != self._network for row in complete):
            raise OptionError(
                f"out: {self.path} is a table of another network, or of an earlier unwarp. Choose another folder, or "
                "replace it by --force."
            )
        return {self._place(row[0]): row for row in complete if self._place(row[_OUTPUT]).is_file()}


def _open(path: Path, mode: Literal["r", "w", "a"]) -> TextIOWrapper:
    """Names of files are bytes, which need not be UTF-8."""
    return path.open(mode, newline="", encoding="utf-8", errors="surrogateescape")


def _rows_of(path: Path) -> list[list[str]]:
    """Rows of a file; none where there is no file, or no text of the kind."""
    if not path.is_file():
        return []
    with _open(path, "r") as file:
        try:
            return [*csv.reader(file)]
        except csv.Error:
            return []


def _write(path: Path, rows: Iterable[Sequence[str]]) -> None:
    """At no moment is there a file without the rows of before."""
    table = StringIO(newline="")
    csv.writer(table).writerows(rows)
    write_whole(path, table.getvalue().encode("utf-8", "surrogateescape"))


def _is_whole(row: list[str]) -> bool:
    """Whether every number of a row can be read: the last row of an interrupted run may have been cut."""
    try:
        list(map(float, row[len(_FIXED) :]))
    except ValueError:
        return False
    return all(map(str.isdecimal, row[_SIZES]))
