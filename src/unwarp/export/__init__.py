"""Networks for other programs: ONNX, torch.export, and weights with a card that says what they are."""

from unwarp.export.agreement import check_onnx
from unwarp.export.onnx_graph import OPSETS, export_onnx
from unwarp.export.torch_program import export_program
from unwarp.export.weights import card_path, read_weights, write_weights

__all__ = [
    "OPSETS",
    "card_path",
    "check_onnx",
    "export_onnx",
    "export_program",
    "read_weights",
    "write_weights",
]
