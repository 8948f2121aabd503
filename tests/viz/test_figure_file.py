from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

from unwarp.errors import OptionError
from unwarp.viz.figure_file import save_figure

BEGINNINGS = {
    "x.png": b"\x89PNG",
    "x.JPG": b"\xff\xd8\xff",
    "x.jpeg": b"\xff\xd8\xff",
    "x.pdf": b"%PDF",
    "x.svg": b"<?xml",
    "x": b"\x89PNG",
}


def figure():
    drawn = Figure(figsize=(2, 1))
    drawn.add_subplot().plot([1, 2])
    return drawn


@pytest.mark.parametrize("name", BEGINNINGS)
def test_the_suffix_says_the_format_and_the_bytes_are_the_same_twice(tmp_path, name):
    first = save_figure(figure(), tmp_path / "new" / name).read_bytes()
    assert first.startswith(BEGINNINGS[name])
    assert save_figure(figure(), tmp_path / name).read_bytes() == first
    if name not in ("x.pdf", "x.svg"):
        with Image.open(tmp_path / name) as image:
            assert image.size == (300, 150)


@pytest.mark.parametrize("name", ["x.mp4", "x.gif", "x.png.bak"])
def test_other_suffixes_are_refused(tmp_path, name):
    with pytest.raises(OptionError, match=r"--out: expected a file with the suffix \.png, .* got x\."):
        save_figure(figure(), Path(name), name="--out")
    assert not Path(name).exists()
