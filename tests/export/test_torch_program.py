"""A program computes what the network does, for any batch, read back without the network's code."""

import pytest
import torch
from torch import nn

from unwarp.export import export_program
from unwarp.nn import DenseLocaliser, SpatialTransformer


class Reader(nn.Module):
    """Rows of an image read in turn, as readers of lines do with columns."""

    def __init__(self):
        super().__init__()
        self.memory = nn.GRU(10, 4, batch_first=True, bidirectional=True)

    def forward(self, images):
        return self.memory(images[:, 0])[0]


def test_recurrent_layers_are_exported_without_a_word(tmp_path):
    model, images = Reader().eval(), torch.rand(3, 1, 12, 10)
    export_program(model, images[:1], tmp_path / "reader.pt2")
    with torch.no_grad():
        found = torch.export.load(tmp_path / "reader.pt2").module()(images)
        torch.testing.assert_close(found, model(images))


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


def test_a_file_that_cannot_be_written_is_an_error_of_its_path(tmp_path, monkeypatch):
    def refuse(path, content):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.write_bytes", refuse)
    with pytest.raises(PermissionError) as raised:
        export_program(nn.Flatten(), torch.rand(1, 1, 4, 4), tmp_path / "program.pt2")
    assert raised.value.filename == str(tmp_path / "program.pt2")
    assert not list(tmp_path.iterdir())
