"""Graphs of opset 18 as graphs of opset 16.

Between the two, most ops stayed what they were. The reductions got their axes as an input instead of an attribute,
Split and Pad got inputs and attributes more, and a few ops are new (onnx/docs/Changelog.md).
"""

from collections.abc import Iterator
from typing import Any

from unwarp._optional import require
from unwarp.errors import UnsupportedError

__all__ = ["to_opset_16"]

_REDUCTIONS = frozenset(
    {
        "ReduceL1",
        "ReduceL2",
        "ReduceLogSum",
        "ReduceLogSumExp",
        "ReduceMax",
        "ReduceMean",
        "ReduceMin",
        "ReduceProd",
        "ReduceSumSquare",
    }
)
_NEW = frozenset(
    {
        "BitwiseAnd",
        "BitwiseNot",
        "BitwiseOr",
        "BitwiseXor",
        "CenterCropPad",
        "Col2Im",
        "DFT",
        "GroupNormalization",
        "LayerNormalization",
        "Mish",
        "Resize",
        "STFT",
    }
)
_PAD_INPUTS = 3  # data, pads, value; opset 18 added the axes


def to_opset_16(graph: Any) -> Any:
    """The same graph for opset 16.

    Args:
        graph: an `onnx.ModelProto` of opset 18; it is changed.

    Returns:
        The graph.

    Raises:
        UnsupportedError: it has an op that opset 16 does not know, or knows with another meaning.
    """
    helper = require("onnx.helper", extra="export")
    constants = _constants(graph)
    for node in [node for part in _graphs(graph.graph) for node in part.node]:
        if node.op_type in _NEW or (node.op_type == "Pad" and len(node.input) > _PAD_INPUTS):
            raise UnsupportedError(f"opset: 16 has no {node.op_type} as this network uses it. Use opset 20.")
        if node.op_type in _REDUCTIONS:
            _axes_as_attribute(node, constants, helper)
        if node.op_type == "Split":
            _drop(node, "num_outputs")
    for imported in graph.opset_import:
        if imported.domain == "":
            imported.version = 16
    return graph


def _graphs(graph: Any) -> Iterator[Any]:
    """A graph and the bodies of its loops."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)


def _axes_as_attribute(node: Any, constants: dict[str, list[int]], helper: Any) -> None:
    axes = node.input[1] if len(node.input) > 1 else ""
    if axes and axes not in constants:
        raise UnsupportedError(f"opset: 16 has no {node.op_type} over axes that are computed. Use opset 20.")
    if axes:
        node.attribute.append(helper.make_attribute("axes", constants[axes]))
    _drop(node, "noop_with_empty_axes")
    del node.input[1:]


def _drop(node: Any, name: str) -> None:
    for attribute in [attribute for attribute in node.attribute if attribute.name == name]:
        node.attribute.remove(attribute)


def _constants(graph: Any) -> dict[str, list[int]]:
    """Whole numbers that are known in the graph, by name."""
    numpy_helper = require("onnx.numpy_helper", extra="export")
    tensors: dict[str, Any] = {}
    for part in _graphs(graph.graph):
        tensors.update({tensor.name: tensor for tensor in part.initializer})
        for node in part.node:
            if node.op_type == "Constant" and node.attribute[0].name == "value":
                tensors[node.output[0]] = node.attribute[0].t
    arrays = {name: numpy_helper.to_array(tensor) for name, tensor in tensors.items()}
    return {name: [int(value) for value in array.flatten()] for name, array in arrays.items() if array.dtype == "int64"}
