"""Networks as torch.export programs (.pt2): run by torch without the Python code that made them."""

import warnings
from io import BytesIO
from pathlib import Path

import torch
from torch import Tensor, nn

from unwarp._whole_file import write_whole

__all__ = ["export_program"]


def export_program(model: nn.Module, image: Tensor, path: str | Path) -> torch.export.ExportedProgram:
    """Write a network as a program for any batch, of torch's own ops alone.

    Args:
        model: in evaluation mode; takes one batch of images.
        image: an example batch; its channels and size are those of the program.
        path: of the ``.pt2`` file; missing folders are made.

    Returns:
        The program; `torch.export.load` reads the file.

    Raises:
        OSError: the file cannot be written.
    """
    two = image.expand(max(2, len(image)), *image.shape[1:])  # of a batch of 1 the 1 would become a constant
    with torch.no_grad(), warnings.catch_warnings():
        # torch's own recurrent layers list their weights anew while they are traced.
        warnings.filterwarnings("ignore", message=r".*_flat_weights\[\d+\] were assigned during export")
        program = torch.export.export(model, (two,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    content = BytesIO()  # a file that cannot be written would end the process inside of torch
    torch.export.save(program, content)
    write_whole(Path(path), content.getvalue())
    return program
