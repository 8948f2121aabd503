"""Whether an exported graph computes what the network does."""

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from unwarp._optional import require
from unwarp._typing import Float
from unwarp.errors import DataError

__all__ = ["TOLERANCE", "check_onnx"]

TOLERANCE = 1e-4
"""Largest difference, of values of the order of 1: float32 summed in another order, positions rounded otherwise."""


def check_onnx(
    model: nn.Module,
    path: str | Path,
    images: Float[Tensor, "n channels height width"],
    *,
    tolerance: float = TOLERANCE,
) -> float:
    """Compare a graph in onnxruntime with the network it was made of.

    Args:
        model: the network, in evaluation mode.
        path: of the ``.onnx`` file.
        images: what both get.
        tolerance: largest difference allowed, relative to the largest value of an output where that is above 1.

    Returns:
        The largest difference found.

    Raises:
        DataError: the outputs differ in number or shape, or by more than the tolerance.
    """
    runtime: Any = require("onnxruntime", extra="export")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    given = session.run(None, {session.get_inputs()[0].name: images.numpy()})
    with torch.no_grad():
        made = model(images)
    expected: list[Tensor] = [made] if isinstance(made, Tensor) else list(made)
    if [tuple(one.shape) for one in given] != [tuple(one.shape) for one in expected]:
        shapes = [tuple(one.shape) for one in given], [tuple(one.shape) for one in expected]
        raise DataError(f"onnx: expected outputs of the shapes {shapes[1]}, got {shapes[0]} from {path}.")
    # NaN in one of several is the largest of them neither way round.
    differences = [_difference(torch.from_numpy(one), other) for one, other in zip(given, expected, strict=True)]
    worst = math.nan if any(map(math.isnan, differences)) else max(differences)
    if not worst <= tolerance:
        raise DataError(f"onnx: expected the graph to agree with the network to {tolerance:g}, got {worst:.3g}.")
    return worst


def _difference(given: Tensor, expected: Tensor) -> float:
    scale = max(1.0, float(expected.abs().max()))
    return float((given - expected).abs().max()) / scale
