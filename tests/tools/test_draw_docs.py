"""Every family has a page and a picture, and the pictures can be drawn again."""

import importlib.util
from pathlib import Path

import pytest

from unwarp.transforms import TRANSFORMS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("draw_docs", ROOT / "tools" / "draw_docs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("family", TRANSFORMS)
def test_every_family_has_a_page_with_its_picture(family, tool):
    page = (ROOT / "docs" / "transforms" / f"{family}.md").read_text()
    assert f"../images/transforms/{family}.png" in page
    assert (tool.FOLDER / f"{family}.png").read_bytes().startswith(b"\x89PNG")
    assert f"({family}.md)" in (ROOT / "docs" / "transforms" / "index.md").read_text()


@pytest.mark.parametrize("family", ["affine", "b_spline"])
def test_draws_a_picture(family, tool, tmp_path):
    assert tool.draw(family, tmp_path).stat().st_size > 5000
