"""The demo: the same CNN with and without a spatial transformer, on digits that lie rotated, scaled and anywhere."""

from collections.abc import Sequence
from pathlib import Path

from unwarp.experiments.experiment import choose
from unwarp.experiments.run import Finished, run

__all__ = ["EXPERIMENTS", "TRANSFORMER", "train_demo"]

TRANSFORMER = "ST-CNN (affine)"
"""The one whose transformer is shown."""

EXPERIMENTS = {"CNN": "mnist-rts/cnn", TRANSFORMER: "mnist-rts/st-cnn-affine"}
"""What is compared: its name in the report, its name in the catalogue."""

SETTINGS = (
    "data.source=packaged",
    "data.validation=600",
    "data.batch_size=32",
    "data.bend=0",
    "model.width=32",
    "training.recipe=modern",
    "training.epochs=40",
    "training.lr=0.002",
    "training.weight_decay=0",
)

_OWN = {TRANSFORMER: ("model.output=0", "model.pooling=2")}  # fewer pixels, for the sake of time


def train_demo(
    name: str, folder: Path, *, settings: Sequence[str] = SETTINGS, seed: int = 0, progress: bool = True
) -> Finished:
    """Train one of `EXPERIMENTS` on the 6,000 digits of the package; each has the same number of steps and images.

    Args:
        name: its name in the report.
        folder: of the demo; the run goes into ``runs`` there and replaces an older one.
        settings: what differs from the catalogue.
        seed: of weights, order and distortions.
        progress: draw a progress bar.
    """
    experiment = choose(EXPERIMENTS[name], [*_OWN.get(name, ()), *settings])
    return run(experiment, folder / "runs" / experiment.name, seed=seed, overwrite=True, progress=progress)
