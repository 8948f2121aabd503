"""The paper's sample figures for a table: what each trained transformer looks at, and what it makes of it."""

from pathlib import Path

from unwarp.experiments.build import build_test_batches
from unwarp.experiments.cell_run import Folders
from unwarp.experiments.cells import Cell, finished_record
from unwarp.experiments.picture import straightening_figure
from unwarp.experiments.trained import load_trained
from unwarp.training.fit import CHECKPOINTS
from unwarp.training.theta_probe import transformers
from unwarp.viz import save_png

__all__ = ["write_samples"]

_SHOWN = 8  # digits in a figure


def write_samples(cells: list[Cell], folders: Folders, into: Path) -> list[Path]:
    """Draw the first test digits through the transformer of every cell that has run here and has one.

    Args:
        cells: runs of a table.
        folders: where their checkpoints, records and digits are.
        into: folder of the figures.

    Returns:
        The files, one an experiment: of its first seed.
    """
    written = [_draw(cell, folders, into) for cell in cells if cell.seed == 0]
    return [path for path in written if path is not None]


def _draw(cell: Cell, folders: Folders, into: Path) -> Path | None:
    best = folders.runs / cell.place / CHECKPOINTS / "best.ckpt"
    if not best.is_file() or finished_record(cell, folders.results) is None:
        return None
    images, labels = build_test_batches(cell.experiment.config.data, data_dir=folders.data)[0]
    model = load_trained(best).model
    if not transformers(model) or images.shape[1:2] != (1,) or images.ndim != 4 or labels.ndim != 1:
        return None  # nothing to show, or nothing that one grey picture shows
    figure = straightening_figure(model, images[:_SHOWN], labels[:_SHOWN], title=cell.experiment.name)
    return save_png(figure, into / f"{cell.experiment.name.replace('/', '-')}.png")
