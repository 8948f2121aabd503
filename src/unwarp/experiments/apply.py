"""A trained transformer applied to many files."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from glob import has_magic
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from unwarp.data.picture import MOST_PIXELS, Picture, read_picture
from unwarp.data.picture_folder import pictures_in
from unwarp.data.picture_limits import decoded_bytes
from unwarp.data.picture_output import output_suffix, write_picture
from unwarp.data.picture_store import in_order
from unwarp.errors import DataError, OptionError
from unwarp.experiments.network_files import Network, transformer_of
from unwarp.experiments.rectification import map_for, warp_picture
from unwarp.experiments.theta_log import ThetaLog, ThetaRow

__all__ = ["TABLE", "Applied", "Source", "apply_network", "find_sources", "parse_size"]

TABLE = "theta.csv"
_BATCH = 16
_AHEAD = _TOGETHER = 256 * 2**20  # bytes of pictures that are read before their turn, and of those in one batch
_WRITING = 8  # pictures that may wait to be written


class Source(NamedTuple):
    """A picture to rectify.

    Attributes:
        path: of the file.
        place: where it goes below the output folder, with its own suffix.
    """

    path: Path
    place: Path


class Applied(NamedTuple):
    """What came of many files.

    Attributes:
        done: pictures rectified now.
        before: pictures that were rectified in an earlier run.
        failed: ``(path, reason)`` of the others.
        notes: ``(path, what was converted)``.
    """

    done: int
    before: int
    failed: list[tuple[Path, str]]
    notes: list[tuple[Path, str]]


class _Read(NamedTuple):
    source: Source
    picture: Picture
    seen: Tensor


def find_sources(inputs: Sequence[str], out: Path) -> list[Source]:
    """The pictures that folders, patterns and files stand for, without those in the output folder.

    A picture of a folder keeps its place in it; of a pattern such as ``"scans/**/*.png"`` its place below the part
    without stars.

    Raises:
        DataError: an input is nothing of the kind, or no picture is found at all.
    """
    found = [source for text in inputs for source in _sources_of(text)]
    outside = [source for source in found if out.resolve() not in source.path.resolve().parents]
    unique = list({source.path.resolve(): source for source in outside}.values())
    if not unique:
        raise DataError(f"inputs: expected pictures, found none in {', '.join(inputs)}.")
    return unique


def apply_network(
    network: Network,
    weights: Path,
    sources: Sequence[Source],
    out: Path,
    *,
    size: tuple[int, int] | None = None,
    force: bool = False,
    strict: bool = False,
    most_pixels: int = MOST_PIXELS,
    shown: Callable[[Iterator[int]], Iterable[int]] = lambda items: items,
) -> Applied:
    """Rectify pictures into a folder, with a table of theta beside them. Goes on where an earlier run stopped.

    Args:
        network: with a transformer that sees the pictures.
        weights: its file, which the table names by a digest.
        sources: the pictures.
        out: the folder.
        size: height and width of every result; by default as many pixels as are seen of the picture.
        force: replace files that are there, and rectify again what an earlier run rectified.
        strict: stop at a file that cannot be rectified, or is converted.
        most_pixels: how many a picture may have.
        shown: wraps the count of pictures, for example in a progress bar.

    Raises:
        OptionError: the network has no transformer for pictures; the folder's table is of another network, or its
            pictures have another size than asked for.
        DataError: with ``strict``, the first file that cannot be rectified or is converted.
        OSError: a file cannot be written.
    """
    entries = math.prod(transformer_of(network).transform.theta_shape)
    result = Applied(0, 0, [], [])
    with ThetaLog(out / TABLE, weights, entries, anew=force) as log:
        waiting = [source for source in sources if not log.finished(source.path)]
        work = _Work(network, out, log, size, force, strict, result)
        work.refuse_other_sizes(sources)
        for _ in shown(work.run(waiting, most_pixels)):
            pass
    return result._replace(done=work.done, before=len(sources) - len(waiting))


class _Work:
    """One run over many files: reading ahead, theta batch by batch, writing behind."""

    def __init__(
        self,
        network: Network,
        out: Path,
        log: ThetaLog,
        size: tuple[int, int] | None,
        force: bool,
        strict: bool,
        result: Applied,
    ) -> None:
        self.network, self.transformer, self.intake = network, transformer_of(network), network.pictures()
        self.out, self.log, self.size, self.force, self.strict, self.result = out, log, size, force, strict, result
        self.done = 0

    def run(self, sources: Sequence[Source], most_pixels: int) -> Iterator[int]:
        """Yields once for every source."""
        batch: list[_Read] = []
        reads = in_order(
            lambda source: self._read(source, most_pixels),
            sources,
            weigh=lambda source: decoded_bytes(source.path),
            most=_AHEAD,
        )
        with ThreadPoolExecutor(2) as writers:
            for index, read in enumerate(reads, 1):
                if isinstance(read, str):
                    self._fail(sources[index - 1].path, read)
                else:
                    batch.append(read)
                if batch and (_full(batch) or index == len(sources)):
                    self._rectify(batch, writers)
                    batch = []
                yield index

    def refuse_other_sizes(self, sources: Sequence[Source]) -> None:
        """Results of an earlier run are of use only in the size that is asked for now."""
        theta = torch.zeros(*self.transformer.transform.theta_shape)  # the size does not depend on it
        for row in filter(None, (self.log.finished(source.path) for source in sources)):
            height, width = map_for(self.transformer, theta, self.intake, row.size, output=self.size).size
            if row.made != (height, width):
                raise OptionError(
                    f"--size: expected {width}x{height} as in this command, got {row.made[1]}x{row.made[0]} of an "
                    f"earlier run in {row.output}. Make all anew by --force, choose another folder, or repeat the "
                    "earlier --size."
                )

    def _read(self, source: Source, most_pixels: int) -> _Read | str:
        try:
            picture = read_picture(source.path, most_pixels=most_pixels)
        except DataError as error:
            return str(error).removeprefix(f"{source.path}: ")
        return _Read(source, picture, self.intake.image(picture))

    def _rectify(self, batch: Sequence[_Read], writers: ThreadPoolExecutor) -> None:
        with torch.no_grad():
            thetas: Tensor = self.transformer.localise(torch.stack([read.seen for read in batch]).float() / 255)
        pending: list[Future[Path]] = []
        for read, theta in zip(batch, thetas, strict=True):
            output = self._output(read)
            if output is None:
                continue
            shape = (read.picture.pixels.shape[0], read.picture.pixels.shape[1])
            where = map_for(self.transformer, theta, self.intake, shape, output=self.size)
            sampler = self.transformer.sampler
            padding = sampler.padding_mode if sampler.padding_mode != "fill" else "border"
            pixels = warp_picture(read.picture, where, padding_mode=padding, align_corners=sampler.align_corners)
            self.log.add(ThetaRow(read.source.path, output, shape, where.size, _numbers(theta)))
            pending.append(writers.submit(write_picture, output, pixels, read.picture))
            if len(pending) == _WRITING:
                pending.pop(0).result()
            self.done += 1
        for written in pending:
            written.result()

    def _output(self, read: _Read) -> Path | None:
        """Where a picture goes; nothing where it must not go anywhere."""
        path, place = read.source
        for note in read.picture.notes:
            if self.strict:
                raise DataError(f"--strict: {path}: {note}. Leave --strict out to convert it.")
            self.result.notes.append((path, note))
        output = self.out / place.with_suffix(output_suffix(read.picture, place.suffix))
        owner = self.log.owner(output)
        if owner is not None and owner != path.resolve():
            self._fail(path, f"{output} is already made of {owner}: rename one of the two")
            return None
        if output.exists() and owner is None and not self.force and not self.log.outdated(output):
            self._fail(path, f"{output} is there already and not of this run: replace it by --force")
            return None
        return output

    def _fail(self, path: Path, reason: str) -> None:
        if self.strict:
            raise DataError(f"--strict: {path}: {reason}")
        self.result.failed.append((path, reason))


def _full(batch: Sequence[_Read]) -> bool:
    return len(batch) == _BATCH or sum(read.picture.pixels.nbytes for read in batch) >= _TOGETHER


def _numbers(theta: Tensor) -> list[float]:
    return [float(value) for value in theta.flatten()]


def parse_size(text: str) -> tuple[int, int]:
    """``"WIDTHxHEIGHT"`` as height and width.

    Raises:
        OptionError: the text is no such size.
    """
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise OptionError(f"--size: expected WIDTHxHEIGHT in pixels, for example 640x480, got {text!r}.")
    return int(height), int(width)


def _sources_of(text: str) -> list[Source]:
    path = Path(text)
    if path.is_dir():
        return [Source(found, found.relative_to(path)) for found in pictures_in(path)]
    if path.is_file():
        return [Source(path, Path(path.name))]
    if not has_magic(text):
        raise DataError(f"{path}: expected a folder, a picture or a pattern, found nothing of that name.")
    plain = _before_magic(path.parts)
    base = Path(*plain)
    files = sorted(found for found in base.glob(str(Path(*path.parts[len(plain) :]))) if found.is_file())
    return [Source(found, found.relative_to(base)) for found in files]


def _before_magic(parts: Sequence[str]) -> list[str]:
    plain: list[str] = []
    for part in parts:
        if has_magic(part):
            break
        plain.append(part)
    return plain
