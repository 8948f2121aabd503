"""The paper's sample figures for a table: what each trained transformer looks at, and what it makes of it."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import torch
from torch import Tensor

from unwarp.experiments.build import build_test_batches
from unwarp.experiments.cell_run import Folders
from unwarp.experiments.cells import Cell, finished_record
from unwarp.experiments.evaluation import Batches
from unwarp.experiments.located_pictures import draw_located
from unwarp.experiments.picture import straightening_figure
from unwarp.experiments.trained import load_trained
from unwarp.models.co_localiser import CoLocaliser
from unwarp.training.fit import CHECKPOINTS
from unwarp.viz import save_png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Samples", "write_samples"]

_SHOWN = 8  # digits in a figure; of two channels half as many
_NO_TRANSFORMER = "no transformer"
_NO_WEIGHTS = "no weights of a finished run here"


class Samples(NamedTuple):
    """What became of the figures of a table.

    Attributes:
        written: the files, one an experiment: of its first seed.
        skipped: a reason -> the experiments that have none for it.
    """

    written: list[Path]
    skipped: dict[str, list[str]]


def write_samples(cells: list[Cell], folders: Folders, into: Path) -> Samples:
    """Draw test digits through the transformer of every cell that has run here and has one.

    Args:
        cells: runs of a table.
        folders: where their checkpoints, records and digits are.
        into: folder of the figures.
    """
    samples = Samples([], {})
    for cell in cells:
        if cell.seed == 0:
            drawn = _draw(cell, folders)
            if isinstance(drawn, str):
                samples.skipped.setdefault(drawn, []).append(cell.experiment.name)
            else:
                samples.written.append(save_png(drawn, into / f"{cell.experiment.name.replace('/', '-')}.png"))
    return samples


def _draw(cell: Cell, folders: Folders) -> "Figure | str":
    """The figure, or why there is none."""
    if cell.experiment.config.model.transform == "none":
        return _NO_TRANSFORMER
    best = folders.runs / cell.place / CHECKPOINTS / "best.ckpt"
    if not best.is_file() or finished_record(cell, folders.results) is None:
        return _NO_WEIGHTS
    model = load_trained(best).model
    batches = build_test_batches(cell.experiment.config.data, data_dir=folders.data)
    if isinstance(model, CoLocaliser):
        images, found = _first_of_each_class(batches)
        names = [str(int(label)) for label in found[:, 0]]
        return draw_located(model, images, found, names=names, title=cell.experiment.name)
    images, labels = _first(batches, _SHOWN if batches[0][0].shape[1] == 1 else _SHOWN // 2)
    return straightening_figure(model, images, labels, title=cell.experiment.name)


def _first(batches: Batches, count: int) -> tuple[Tensor, Tensor]:
    images, labels = batches[0]
    return images[:count], labels[:count]


def _first_of_each_class(batches: Batches) -> tuple[Tensor, Tensor]:
    """Images for a co-localiser: a batch holds images of one or more classes."""
    pairs = [batches[index] for index in range(len(batches))]
    images, found = (torch.cat(part) for part in zip(*pairs, strict=True))
    labels = cast(list[int], found[:, 0].tolist())
    first = torch.tensor([labels.index(label) for label in sorted(set(labels))])
    return images[first], found[first]
