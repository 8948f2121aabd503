"""What of a trained network is exported, and the card that says what it is."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import torch
from torch import Tensor, nn

from unwarp._checks import option
from unwarp._whole_file import write_whole
from unwarp.errors import DataError, OptionError
from unwarp.experiments import provenance
from unwarp.experiments.network_files import Network, load_network
from unwarp.experiments.records import RECORD, Record, read_record
from unwarp.experiments.run_place import run_place
from unwarp.export import card_path, check_onnx, export_onnx, export_program, read_weights, write_weights
from unwarp.models.co_localiser import CoLocaliser
from unwarp.nn import AbstractSpatialTransformer
from unwarp.training.checkpoints import read_checkpoint
from unwarp.training.colocalisation_module import ColocalisationModule
from unwarp.training.module import ClassificationModule
from unwarp.training.theta_probe import transformers

__all__ = ["OUTPUTS", "ExportedNetwork", "export_network"]

OUTPUTS = ("logits", "straightened", "theta")
"""What an exported network returns; one without a transformer returns logits alone."""

_CHECKED = 3  # pictures that the graph is compared on


class ExportedNetwork(nn.Module):
    """A classifier that also returns what its transformer made and predicted.

    Args:
        model: the classifier.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self._transformer = next(iter(transformers(model).values()), None)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what is returned."""
        return OUTPUTS if self._transformer is not None else OUTPUTS[:1]

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Logits; with a transformer also the straightened images and theta."""
        if self._transformer is None:
            return (self.model(images),)
        kept: dict[str, Tensor] = {}
        handles = _watch(self._transformer, kept)
        try:
            logits = self.model(images)
        finally:
            for handle in handles:
                handle.remove()
        return logits, kept["straightened"], kept["theta"]


def export_network(
    path: Path, out: Path, kinds: Sequence[str], *, opset: int = 20, allow_import: bool = False
) -> Iterator[tuple[Path, str]]:
    """Export a trained network.

    Args:
        path: of the checkpoint or the weights.
        out: file to write; others lie beside it.
        kinds: suffixes of the files to write: ``.onnx``, ``.pt2``, ``.safetensors``.
        opset: of ONNX.
        allow_import: as in `load_network`.

    Yields:
        Each file written, and a remark.

    Raises:
        OptionError: another kind of file or opset; the network does not take pictures; a graph of a co-localiser.
        DataError: the ONNX graph does not compute what the network does.
        CheckpointError: the file holds no network.
    """
    for kind in kinds:
        option("out", kind, tuple(_WRITERS))
    network = load_network(path, allow_import=allow_import)
    graphs = [kind for kind in kinds if kind != ".safetensors"]
    if graphs and isinstance(network.model, CoLocaliser):
        raise OptionError(
            f"out: expected .safetensors for {network.name}, got {graphs[0]}: it has a transformer for each digit, "
            "and no graph chooses one by a digit."
        )
    for kind in kinds:
        yield from _WRITERS[kind](network, path, out.with_suffix(kind), opset)


def card(network: Network, path: Path) -> dict[str, Any]:
    """What belongs to the weights: how the network is built, its pictures, error and versions."""
    intake = network.pictures()
    return {
        "format": "unwarp 1",
        "about": network.about,
        "epoch": network.epoch,
        "input": {
            "name": "images",
            "shape": ["batch", intake.channels, intake.height, intake.width],
            "range": [0.0, 1.0],
            "fit": intake.fit,
        },
        "outputs": ["theta"]
        if isinstance(network.model, CoLocaliser)
        else list(ExportedNetwork(network.model).outputs),
        "classes": list(network.classes),
        "error": _error(network, path),
        "versions": provenance.versions(),
    }


def _write_onnx(network: Network, source: Path, path: Path, opset: int) -> Iterator[tuple[Path, str]]:
    del source
    model = ExportedNetwork(network.model).eval()
    example = network.example()
    images = torch.rand(_CHECKED, *example.shape[1:], generator=torch.Generator().manual_seed(0))
    with TemporaryDirectory() as place:  # a graph that is wrong replaces none
        graph = export_onnx(model, example, Path(place) / "graph.onnx", outputs=model.outputs, opset=opset)
        worst = check_onnx(model, graph, images)
        write_whole(path, graph.read_bytes())
    yield path, f" (opset {opset}; onnxruntime differs by {worst:.1e} at most)"


def _write_program(network: Network, source: Path, path: Path, opset: int) -> Iterator[tuple[Path, str]]:
    del source, opset
    export_program(ExportedNetwork(network.model).eval(), network.example(), path)
    yield path, ""


def _write_weights(network: Network, source: Path, path: Path, opset: int) -> Iterator[tuple[Path, str]]:
    del opset
    yield write_weights(network.model, path, card(network, source)), ""
    yield card_path(path), ""


_WRITERS: Mapping[str, Callable[[Network, Path, Path, int], Iterator[tuple[Path, str]]]] = {
    ".onnx": _write_onnx,
    ".pt2": _write_program,
    ".safetensors": _write_weights,
}


def _error(network: Network, path: Path) -> dict[str, Any] | None:
    """The figures of the run that the checkpoint lies in; nothing where they are of other weights, or not known."""
    if path.suffix == ".safetensors":  # it carries no epochs that would tell whether a record is its own, but its card
        error = read_weights(path)[1].get("error")
        return cast("dict[str, Any]", error) if isinstance(error, dict) else None
    try:
        record = read_record(run_place(path) / RECORD)
    except DataError:
        return None
    if not _measured(record, network, path):
        return None
    return {
        "test_error_percent": record.test_error,
        "validation_error_percent": record.validation_error,
        "test_examples": record.test_examples,
    }


def _measured(record: Record, network: Network, path: Path) -> bool:
    """Whether a record's figures are those of the weights: the same run, in its best epoch."""
    module = ColocalisationModule if isinstance(network.model, CoLocaliser) else ClassificationModule
    rows = [row for row in record.history if module.monitor in row]
    if not rows or min(rows, key=lambda row: row[module.monitor])["epoch"] != network.epoch:
        return False
    # Two runs never take the same time, so the epochs that a checkpoint carries tell its run from all others.
    epochs = read_checkpoint(path).callbacks.get("History", {}).get("epochs", [])
    identity = (record.name, record.seed), (network.about["name"], network.about["seed"])
    return identity[0] == identity[1] and epochs == record.history[: len(epochs)]


def _watch(transformer: AbstractSpatialTransformer, kept: dict[str, Tensor]) -> list[Any]:
    """Keep what a transformer returns and predicts."""

    def keep_output(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        kept["straightened"] = output

    def keep_theta(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        kept["theta"] = output

    return [transformer.register_forward_hook(keep_output), transformer.thetas.register_forward_hook(keep_theta)]
