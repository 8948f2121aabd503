"""A picture warped by a map that is given, not predicted."""

import json
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unwarp import coordinates
from unwarp._checks import option
from unwarp._typing import Float
from unwarp.data.picture import MOST_PIXELS, read_picture
from unwarp.data.picture_output import output_suffix, write_picture
from unwarp.errors import DataError, OptionError
from unwarp.experiments.rectification import PictureMap, warp_picture
from unwarp.transforms import AbstractTransform, Affine, Projective, ThinPlateSpline, from_pixel_matrix

__all__ = ["UNITS", "WarpRequest", "warp_file"]

UNITS = ("pixel", "theta")
_POINTS = ("input", "output")


@dataclass(frozen=True)
class WarpRequest:
    """One map, in one of the ways to write it.

    Attributes:
        rotate: degrees that the picture is turned about its centre, anticlockwise on the screen.
        affine: six numbers, the rows of a 2 x 3 matrix.
        homography: nine numbers, the rows of a 3 x 3 matrix; eight with units of theta.
        tps: a JSON file of points: what lies at ``input`` in the picture comes to ``output``, in pixels.
        units: of the matrices: ``pixel`` maps pixels of the picture to pixels of the result, as OpenCV has it;
            ``theta`` maps normalised coordinates of the result to those of the picture, as this library has it.
    """

    rotate: float | None = None
    affine: str | None = None
    homography: str | None = None
    tps: Path | None = None
    units: str = "pixel"

    def __post_init__(self) -> None:
        option("--units", self.units, UNITS)
        given = [f"--{entry.name}" for entry in fields(self)[:-1] if getattr(self, entry.name) is not None]
        if len(given) != 1:
            raise OptionError(
                "warp: expected one of --rotate, --affine, --homography and --tps, got "
                f"{' and '.join(given) or 'none'}."
            )
        if self.rotate is not None and not math.isfinite(self.rotate):
            raise OptionError(f"--rotate: expected degrees, got {self.rotate}.")

    def map(self, size: tuple[int, int], output: tuple[int, int]) -> PictureMap:
        """The map for a picture, both sizes as height and width."""
        family, theta = self._theta(size, output)
        return PictureMap(family, theta[None].float(), output)

    def _theta(self, size: tuple[int, int], output: tuple[int, int]) -> tuple[AbstractTransform, Tensor]:
        if self.rotate is not None:
            return Affine(), Affine().from_matrix(from_pixel_matrix(_rotation(self.rotate, size, output), size, output))
        if self.affine is not None:
            matrix = _numbers("--affine", self.affine, 6).view(2, 3)
            return Affine(), matrix if self.units == "theta" else _normalised(Affine(), matrix, size, output)
        if self.homography is not None and self.units == "theta":
            return Projective(), _eight(_numbers("--homography", self.homography, 8, 9))
        if self.homography is not None:
            matrix = _numbers("--homography", self.homography, 9).view(3, 3)
            return Projective(), _normalised(Projective(), matrix, size, output)
        taken, put = _points(Path() if self.tps is None else self.tps)
        control = coordinates.pixel_to_normalised(put, output)
        return ThinPlateSpline(control.float()), coordinates.pixel_to_normalised(taken, size)


def warp_file(
    path: Path,
    out: Path,
    request: WarpRequest,
    *,
    size: tuple[int, int] | None = None,
    mode: str = "bicubic",
    padding_mode: str = "zeros",
    antialias: bool = True,
    most_pixels: int = MOST_PIXELS,
    force: bool = False,
) -> Path:
    """Warp the picture of a file into another file, in its depth, with its transparency and EXIF block.

    Args:
        path: of the picture.
        out: file to write. Its format has to be able to hold the picture.
        request: the map.
        size: height and width of the result; by default the picture's.
        mode, padding_mode, antialias: as in `unwarp.warp`.
        most_pixels: how many the picture may have.
        force: replace ``out`` if it is there.

    Returns:
        The path written.

    Raises:
        OptionError: the map or an option is wrong, or ``out`` is there already or cannot hold the picture.
        DataError: the picture or the points cannot be read.
        OSError: the file cannot be written.
    """
    if out.exists() and not force:
        raise OptionError(f"--out: {out} is there already. Choose another file, or replace it by --force.")
    picture = read_picture(path, most_pixels=most_pixels)
    fitting = output_suffix(picture, out.suffix)
    if fitting != out.suffix:
        raise OptionError(
            f"--out: {out.suffix or 'no suffix'} cannot hold this picture. Use {out.with_suffix(fitting)}."
        )
    shape = (picture.pixels.shape[0], picture.pixels.shape[1])
    where = request.map(shape, size or shape)
    pixels = warp_picture(picture, where, mode=mode, padding_mode=padding_mode, antialias=antialias)
    return write_picture(out, pixels, picture)


def _rotation(degrees: float, size: tuple[int, int], output: tuple[int, int]) -> Float[Tensor, "2 3"]:
    """From pixels of the picture to pixels of the result, about both centres; y points down."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turn = torch.tensor([[cos, sin], [-sin, cos]], dtype=torch.float64)
    before, after = (torch.tensor([(n - 1) / 2 for n in reversed(one)], dtype=torch.float64) for one in (size, output))
    return torch.cat([turn, (after - turn @ before)[:, None]], dim=1)


def _normalised(family: Affine | Projective, matrix: Tensor, size: tuple[int, int], output: tuple[int, int]) -> Tensor:
    theta = family.from_matrix(from_pixel_matrix(matrix, size, output))
    if not theta.isfinite().all():
        raise OptionError(f"matrix: expected one that can be inverted, got {matrix.tolist()}.")
    return theta


def _eight(numbers: Float[Tensor, "n"]) -> Float[Tensor, "8"]:
    """Of nine numbers, which mean the same whatever they are multiplied by, the first eight for a ninth of 1."""
    theta = numbers[:8] / (numbers[8] if len(numbers) > 8 else 1)
    if not theta.float().isfinite().all():
        raise OptionError(
            f"--homography: expected a ninth number that the others can be divided by, got {numbers[-1]:g}. With 0 the "
            "centre of the result lies at infinity: with --units theta no such matrix can be used."
        )
    return theta


def _numbers(name: str, text: str, *counts: int) -> Float[Tensor, "n"]:
    parts = text.replace(",", " ").replace(";", " ").split()
    try:
        numbers = torch.tensor([float(part) for part in parts], dtype=torch.float64)
    except ValueError:
        numbers = torch.tensor([math.nan], dtype=torch.float64)
    if len(parts) not in counts or not numbers.isfinite().all():
        raise OptionError(f"{name}: expected {' or '.join(map(str, counts))} numbers, got {text!r}.")
    return numbers


def _points(path: Path) -> tuple[Tensor, Tensor]:
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        taken, put = (torch.tensor(content[name], dtype=torch.float64) for name in _POINTS)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f'{path}: expected {{"input": [[x, y], ...], "output": [[x, y], ...]}} ({error}).') from error
    if taken.shape != put.shape or taken.ndim != 2 or taken.shape[1] != 2:
        raise DataError(
            f"{path}: expected as many points [x, y] of input and output, "
            f"got {tuple(taken.shape)} and {tuple(put.shape)}."
        )
    if not torch.cat([taken, put]).isfinite().all():
        raise DataError(f"{path}: expected numbers of pixels, got one that is not finite.")
    return taken, put
