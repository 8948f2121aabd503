"""The code in the READMEs runs, and what they link to is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
READMES = ("README.md", "README.zh-CN.md")


@pytest.mark.parametrize("readme", READMES)
def test_python_blocks_run_in_order(readme):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / readme).read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 2
    names: dict[str, object] = {}
    for block in blocks:
        exec(block, names)
    assert names["rotated"].shape == (1, 3, 240, 320)
    assert names["thumbnail"].shape == (1, 3, 30, 40)
    assert all(parameter.grad is not None for parameter in names["model"].parameters())


@pytest.mark.parametrize("readme", READMES)
def test_links_lead_somewhere(readme):
    targets = re.findall(r"\]\(([^)#]+)\)", (ROOT / readme).read_text(encoding="utf-8"))
    local = [target for target in targets if not target.startswith("http")]
    assert local
    assert [target for target in local if not (ROOT / target).exists()] == []
