"""A program computes what the network does, for any batch, read back without the network's code."""

import pytest
import torch
from torch import nn

from unwarp.export import export_program
from unwarp.nn import DenseLocaliser, SpatialTransformer


@pytest.mark.parametrize("transform", ["affine", "projective", "thin_plate_spline", "bounded"])
def test_any_batch_comes_out_the_same(transform, tmp_path):
    torch.manual_seed(0)
    model = SpatialTransformer(DenseLocaliser(12 * 10, widths=(8,)), transform, (9, 7)).eval()
    nn.init.normal_(model.regression.weight, std=0.1)
    path = tmp_path / "new" / "program.pt2"
    export_program(model, torch.rand(1, 1, 12, 10), path)
    program = torch.export.load(path).module()
    images = torch.rand(5, 1, 12, 10)
    with torch.no_grad():
        for batch in (1, 2, 5):
            assert (program(images[:batch]) - model(images[:batch])).abs().max() < 1e-5
