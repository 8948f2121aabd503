"""`unwarp export`: a trained network for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from unwarp.cli.console import plain_console

__all__ = ["export"]


def export(
    checkpoint: Annotated[Path, typer.Argument(help="A .ckpt of a run, or exported .safetensors.")],
    out: Annotated[Path, typer.Argument(help="File to write: .onnx, .pt2 or .safetensors.")],
    opset: Annotated[int, typer.Option(help="Of ONNX: 20, or 16 for older run times.")] = 20,
    torch_export: Annotated[
        bool, typer.Option("--torch-export", help="Write a torch.export program (.pt2) as well.")
    ] = False,
    weights: Annotated[
        bool, typer.Option("--weights", help="Write weights (.safetensors) and their card (.json) as well.")
    ] = False,
    allow_import: Annotated[
        bool, typer.Option("--allow-import", help="Import the code that the checkpoint names.")
    ] = False,
) -> None:
    """Export a network, and check that ONNX computes the same: logits, straightened picture and theta."""
    from unwarp.experiments.exported import export_network

    kinds = {out.suffix, *([".pt2"] if torch_export else []), *([".safetensors"] if weights else [])}
    console = plain_console()
    for path, remark in export_network(checkpoint, out, sorted(kinds), opset=opset, allow_import=allow_import):
        console.print(f"written: {path}{remark}")
