import subprocess
import sys
from io import BytesIO

import pytest
import torch
from PIL import Image

from unwarp import viz

DRAW_EVERYTHING = """
import sys
import torch
from unwarp import viz
from unwarp.transforms import Affine
assert "matplotlib" not in sys.modules
images = torch.rand(2, 1, 8, 8)
figures = [
    viz.transformer_figure(images, images, Affine().identity().expand(2, 2, 3), Affine()),
    viz.draw_region(Affine().identity(), Affine(), (8, 8)).figure,
    viz.training_curves({"CNN": ([1, 2], [2.0, 1.0])}).figure,
    viz.error_bars({"CNN": [1.0]}).figure,
]
print([len(viz.encode_png(figure)) > 1000 for figure in figures], "matplotlib.pyplot" in sys.modules)
"""


def test_a_png_has_the_size_of_its_figure_on_white():
    figure = viz.show_image(torch.zeros(4, 4)).figure
    picture = Image.open(BytesIO(viz.encode_png(figure, dpi=50)))
    assert picture.size == (150, 150)
    assert picture.convert("RGBA").getpixel((0, 0)) == (255, 255, 255, 255)


def test_the_same_figure_gives_the_same_bytes():
    pictures = [viz.encode_png(viz.show_image(torch.eye(4)).figure) for _ in range(2)]
    assert pictures[0] == pictures[1]


def test_saves_into_a_folder_that_is_missing(tmp_path):
    figure = viz.show_image(torch.eye(4)).figure
    path = viz.save_png(figure, tmp_path / "a" / "b" / "c.png")
    assert path.read_bytes() == viz.encode_png(figure)


def test_a_path_that_cannot_be_written_is_an_os_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        viz.save_png(viz.show_image(torch.eye(4)).figure, tmp_path / "file" / "b.png")


def test_draws_without_pyplot_and_loads_matplotlib_on_the_first_drawing_only():
    # An interactive backend that cannot start: whatever asks for one fails.
    environment = {"MPLBACKEND": "tkagg", "PATH": ""}
    command = [sys.executable, "-W", "error", "-c", DRAW_EVERYTHING]
    run = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert run.stdout.split("]") == ["[True, True, True, True", " False\n"], run.stderr
