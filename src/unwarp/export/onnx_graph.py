"""Networks as ONNX graphs: opset 20, with GridSample and AffineGrid, or 16 for run times that are older."""

import logging
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import torch
from torch import Tensor, nn

from unwarp._checks import option
from unwarp._loops import keep_loops
from unwarp._optional import require
from unwarp._whole_file import write_whole
from unwarp.export.decompositions import DECOMPOSITIONS
from unwarp.export.grid_sampling import with_grid_sampling
from unwarp.export.older_opset import to_opset_16

__all__ = ["OPSETS", "Opset", "export_onnx"]

Opset: TypeAlias = Literal[16, 20]
OPSETS: tuple[Opset, ...] = (20, 16)
"""20 has AffineGrid, and GridSample for volumes; 16 is the first with GridSample."""

_LOGGERS = ("torch.onnx", "torch.onnx._internal.exporter._registration", "onnxscript")


def export_onnx(
    model: nn.Module,
    image: Tensor,
    path: str | Path,
    *,
    outputs: Sequence[str] = ("output",),
    opset: int = 20,
) -> Path:
    """Write a network as an ONNX graph for any batch of images.

    Warps become GridSample, those of the affine families AffineGrid before it, where ONNX has the sampler's kernel and
    padding; other samplers become plain arithmetic. `check_onnx` compares the file with the network.

    Args:
        model: in evaluation mode; takes one batch of images, returns a tensor or a tuple of them.
        image: an example batch; its channels and size are those of the graph.
        path: of the ``.onnx`` file; missing folders are made.
        outputs: names of what the network returns. The input is called ``images``.
        opset: 20 or 16.

    Raises:
        OptionError: another opset.
        UnsupportedError: the network has an op that opset 16 does not know.
        OSError: the file cannot be written.

    Examples:
        >>> from unwarp.nn import DenseLocaliser, SpatialTransformer
        >>> transformer = SpatialTransformer(DenseLocaliser(784), "thin_plate_spline").eval()
        >>> export_onnx(transformer, torch.zeros(1, 1, 28, 28), Path("transformer.onnx"))  # doctest: +SKIP
    """
    option("opset", opset, OPSETS)
    onnx = require("onnx", extra="export")
    require("onnxscript", extra="export")
    two = image.expand(max(2, len(image)), *image.shape[1:])  # of a batch of 1 the 1 would become a constant
    batches = ({0: torch.export.Dim("batch")},)
    with torch.no_grad(), _quiet(), keep_loops():
        traced = torch.export.export(with_grid_sampling(model), (two,), dynamic_shapes=batches)
        program: Any = torch.onnx.export(
            traced.run_decompositions(DECOMPOSITIONS),
            dynamo=True,
            opset_version=max(opset, 18),  # torch makes graphs of 18 and newer
            input_names=["images"],
            output_names=list(outputs),
            dynamic_shapes=batches,
            custom_translation_table=_own_translations() if opset >= 20 else None,
            verbose=False,
        )
    graph = program.model_proto if opset >= 18 else to_opset_16(program.model_proto)
    onnx.checker.check_model(graph, full_check=True)
    return write_whole(Path(path), graph.SerializeToString())


def _own_translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """`affine_grid` as the op that ONNX has for it, which torch spells out as products and sums."""
    opset20: Any = require("onnxscript", extra="export").opset20

    def affine_grid(theta: object, size: object, align_corners: bool = False) -> object:
        return opset20.AffineGrid(theta, size, align_corners=int(align_corners))

    return {cast("Callable[..., Any]", torch.ops.aten.affine_grid_generator.default): affine_grid}


@contextmanager
def _quiet() -> Generator[None, None, None]:
    """Keep the exporter from telling about packages that are not there and about itself."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
