"""The code in the READMEs runs, and what they link to is there."""

import json
import re
from pathlib import Path
from statistics import fmean

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


@pytest.mark.parametrize("readme", READMES)
def test_errors_are_those_of_the_records(readme):
    text = (ROOT / readme).read_text(encoding="utf-8")
    rows = re.findall(r"^\| (R|RTS|P|E)\W[^|]*\|(.*)\|$", text, re.MULTILINE)
    assert [task for task, _ in rows] == ["R", "RTS", "P", "E"]
    for task, cells in rows:
        shown = [cell.split("(")[0].strip() for cell in cells.split("|")]
        assert shown == [smallest_error(task, network) for network in ("fcn", "cnn", "st-fcn", "st-cnn")]


def smallest_error(task: str, network: str) -> str:
    """Mean over the seeds; of networks with a transformer, that of the best family of table 1."""
    networks = [f"{network}-{family}" for family in ("affine", "projective", "tps")] if "st-" in network else [network]
    folders = [ROOT / "results" / f"mnist-{task.lower()}" / name for name in networks]
    errors = [
        fmean(json.loads(record.read_text(encoding="utf-8"))["test_error"] for record in records)
        for records in (list(folder.glob("standard-seed*.json")) for folder in folders)
        if records
    ]
    return f"{min(errors):.2f}" if errors else "–"


@pytest.mark.parametrize("readme", READMES)
def test_speeds_are_those_of_the_benchmark(readme):
    means = json.loads((ROOT / "benchmarks" / "results" / "cpu.json").read_text(encoding="utf-8"))["means"]
    said = re.findall(r"(\d\.\d) (?:times (?:as fast )?forward|倍)", (ROOT / readme).read_text(encoding="utf-8"))
    assert said == [f"{means['affine forward']:.1f}", f"{means['affine both']:.1f}"]
