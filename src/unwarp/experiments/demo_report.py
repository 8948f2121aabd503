"""The demo's report: errors, curves, the figure, and how to go on."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from unwarp.experiments.build import build_test_batches
from unwarp.experiments.config import ExperimentConfig
from unwarp.experiments.picture import straightening_figure
from unwarp.experiments.records import Record
from unwarp.experiments.run import Finished
from unwarp.viz import Code, Picture, Section, Table, encode_png, save_png, training_curves, write_report
from unwarp.viz.style import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["COLUMNS", "PYTHON", "demo_rows", "write_demo_report"]

COLUMNS = ("network", "test error", "parameters", "training")
_SHOWN = 12  # digits in the figure

_WHAT = (
    "Two networks learned to read handwritten digits that lie rotated by up to 45 degrees, scaled by 0.7 to 1.2 and "
    "anywhere in an image of 42 x 42 pixels. Both had the same digits, number of steps and learning rate. The ST-CNN "
    "first predicts an affine map from each image and resamples the image by it: nobody told it which map is right."
)
_FIGURE = (
    "Each pair shows what the ST-CNN was given, with the region it looks at, and what it handed on to its classifier. "
    "The dot marks the corner of the region that becomes the upper left one."
)
_NEXT = """unwarp train mnist-rts/st-cnn-affine        # all 60,000 digits: downloads MNIST once
unwarp train mnist-e/st-cnn-tps             # bent digits, thin-plate spline
unwarp figure runs/mnist-rts/st-cnn-affine/standard-seed0/checkpoints/best.ckpt
unwarp data show tc                         # digits among clutter"""
PYTHON = """import torch
from torch import nn
from unwarp.nn import ConvLocaliser, SpatialTransformer

straighten = SpatialTransformer(ConvLocaliser(channels=3), "affine", size=(64, 64))
classifier = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 10))
network = nn.Sequential(straighten, classifier)   # trains end to end
logits = network(torch.rand(8, 3, 96, 96))"""


def demo_rows(runs: Mapping[str, Finished]) -> list[tuple[str, str, str, str]]:
    """One row of text for each network, below `COLUMNS`."""
    return [
        (name, f"{r.test_error:.2f} %", f"{r.parameters:,}", f"{r.seconds:.0f} s")
        for name, r in ((name, finished.record) for name, finished in runs.items())
    ]


def write_demo_report(runs: Mapping[str, Finished], folder: Path, *, transformer: str) -> list[Path]:
    """Write ``report.html``, ``figure.png`` and ``curves.png``.

    Args:
        runs: name of a network -> its run.
        folder: where the files go.
        transformer: name of the network that has a spatial transformer.

    Returns:
        The files, the report first.
    """
    records = {name: finished.record for name, finished in runs.items()}
    figure, curves = _figure(runs[transformer]), _curves(records)
    rows = demo_rows(runs)
    best = min(range(len(rows)), key=lambda row: list(records.values())[row].test_error)
    table = Table(COLUMNS, rows, caption="Errors on 2,000 test digits that no network had seen.", highlight=best)
    sections = [
        Section("Errors", [_WHAT, table]),
        Section("What the transformer learned", [_FIGURE, Picture(encode_png(figure), alt="Digits, straightened")]),
        Section("While they trained", [Picture(encode_png(curves), alt="Validation error by epoch")]),
        Section("How to go on", ["Train on all digits, or other distortions:", Code(_NEXT)]),
        Section("In your own network", ["A transformer goes before any classifier:", Code(PYTHON)]),
    ]
    record = records[transformer]
    footer = f"unwarp {record.versions['unwarp']}, torch {record.versions['torch']}, {record.machine['processor']}"
    return [
        write_report(folder / "report.html", "Straightening digits", sections, footer=footer),
        save_png(figure, folder / "figure.png"),
        save_png(curves, folder / "curves.png"),
    ]


def _figure(finished: Finished) -> "Figure":
    images, labels = build_test_batches(ExperimentConfig.read(finished.record.config).data)[0]
    return straightening_figure(finished.model, images[:_SHOWN], labels[:_SHOWN])


def _curves(records: Mapping[str, Record]) -> "Figure":
    courses = {
        name: ([row["epoch"] for row in record.history], [row["val_error"] for row in record.history])
        for name, record in records.items()
    }
    figure = new_figure(6, 3.5)
    training_curves(courses, ylabel="validation error (%)", ax=figure.add_subplot())
    return figure
