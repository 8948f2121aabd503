"""What sampling adds to a training step of the ST-CNN: the grid and the sampler, the localiser apart.

    python benchmarks/step.py [--seconds 20] [--clock wall] [--out benchmarks/results]

Two steps of one network are timed in turn: a whole one, and one in which the sampler is left out, while the localiser
runs and learns as before. Their difference, as a share of the shorter one, is what the paper puts at 6 % for four whole
transformers (section 4.2). Where in memory a network lies changes its time by as much as sampling adds, so both steps
use the same weights, and several networks are built and timed, one after another: the median counts.
"""

import argparse
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import measure
import record
import torch
from torch import Tensor, nn
from torch.nn import functional

from unwarp.data import tasks
from unwarp.experiments import provenance
from unwarp.experiments.build import build_model, build_plan, build_precision
from unwarp.experiments.config import TrainingConfig
from unwarp.experiments.experiment import choose
from unwarp.nn.abstract_transformer import AbstractSpatialTransformer
from unwarp.training.heap import keep_freed_memory

SEED = 0  # of the first network
TARGET = 5.0
NETWORKS = 7
TRANSFORMERS = ("mnist-r/st-cnn-affine", *(f"mnist-rts/st-cnn-{family}" for family in ("affine", "projective", "tps")))


@dataclass
class Row:
    """An experiment's networks: milliseconds of a step, and what sampling adds to it, in percent: medians.

    A step has as many digits as one of the training, ``batch``.
    ``least`` and ``most`` are the smallest and largest share among the networks.
    """

    experiment: str
    batch: int
    whole: float
    without: float
    added: float
    least: float
    most: float


class Unsampled(nn.Module):
    """A transformer that predicts theta, passes it a gradient, and returns as much of its input as it would sample."""

    def __init__(self, transformer: AbstractSpatialTransformer) -> None:
        super().__init__()
        self.transformer = transformer

    def forward(self, images: Tensor) -> Tensor:
        """The images, cut to the size of the output; theta takes part with a weight of 0."""
        height, width = self.transformer.size or images.shape[-2:]
        return images[..., :height, :width] + 0 * self.transformer.localise(images).sum().to(images.dtype)


def main() -> None:
    """Measure, print, write."""
    arguments = _arguments()
    keep_freed_memory()
    rows = []
    print(f"{'experiment':30} {'step ms':>8} {'without':>8} {'added':>7} {'of':>4} networks")
    for name in TRANSFORMERS:
        row = measured(name, arguments.seconds, arguments.clock)
        rows.append(row)
        shares = f"{row.added:6.1f}% {NETWORKS:4} {row.least:.1f} to {row.most:.1f}%"
        print(f"{name:30} {row.whole:8.2f} {row.without:8.2f} {shares}")
    for line in verdicts(rows):
        print(line)
    print(f"results: {_write(rows, arguments)}")


def measured(name: str, seconds: float, clock: str) -> Row:
    """The two steps of one experiment, in turn, for each of its networks, at its own batch size."""
    pairs = [_pair(name, seed, seconds / NETWORKS, clock) for seed in range(SEED, SEED + NETWORKS)]
    shares = [100 * (whole / without - 1) for whole, without in pairs]
    whole, without = (statistics.median(times) for times in zip(*pairs, strict=True))
    batch = choose(name, []).config.data.batch_size
    return Row(name, batch, whole, without, statistics.median(shares), min(shares), max(shares))


def _pair(name: str, seed: int, seconds: float, clock: str) -> tuple[float, float]:
    torch.manual_seed(seed)
    config = choose(name, []).config
    size = tasks.get(config.data.distortion).size
    count = config.data.batch_size
    batch = torch.rand(count, 1, *size), torch.randint(10, (count,))
    model = build_model(config.model, config.data)
    step = _step(config.training, model, batch)
    transformers = {"whole": model.transformer, "without": Unsampled(model.transformer)}

    def with_transformer(name: str) -> None:
        model.transformer = transformers[name]
        step()

    times = measure.paired(
        {name: partial(with_transformer, name) for name in transformers}, seconds=seconds, clock=clock
    )
    return times["whole"].median, times["without"].median


def _step(config: TrainingConfig, model: nn.Module, batch: tuple[Tensor, Tensor]) -> Callable[[], None]:
    """A step as training does it: forward, loss, backward, optimiser."""
    images, labels = batch
    precision = build_precision(config, torch.device("cpu"))
    if precision.channels_last:
        model = model.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    optimiser, _ = build_plan(config)(model, 1000)
    half = precision.dtype == "bfloat16"

    def step() -> None:
        optimiser.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            logits = model(images)
        functional.cross_entropy(logits.float(), labels).backward()
        optimiser.step()

    return step


def verdicts(rows: list[Row]) -> list[str]:
    """Whether sampling stays within its share; a missed one stays in."""
    return [
        f"{'HOLDS ' if row.added <= TARGET else 'MISSED'} {row.experiment}: sampling adds {row.added:.1f} % to a step"
        for row in rows
    ]


def _write(rows: list[Row], arguments: argparse.Namespace) -> Path:
    return record.write(
        arguments.out,
        "step",
        seed=SEED,
        networks=NETWORKS,
        machine=provenance.machine(torch.device("cpu")),
        versions=provenance.versions(),
        clock=arguments.clock,
        rows=[asdict(row) for row in rows],
        verdicts=verdicts(rows),
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="time for each experiment")
    parser.add_argument("--clock", choices=list(measure.CLOCKS), default="wall", help="cpu on a shared machine")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder of the JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
