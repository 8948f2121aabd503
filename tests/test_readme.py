"""The code in the READMEs runs, and what they link to is there."""

import json
import re
from pathlib import Path
from statistics import fmean

import pytest

from unwarp.experiments.tables import layout

ROOT = Path(__file__).parents[1]
READMES = ("README.md", "README.zh-CN.md")


@pytest.mark.parametrize("readme", READMES)
def test_python_blocks_run_in_order(readme):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / readme).read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 2
    names: dict[str, object] = {}
    for block in blocks:
        exec(block, names)
    assert names["rotated"].shape == (1, 3, 240, 240)
    assert names["thumbnail"].shape == (1, 3, 30, 30)
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
    rows = re.findall(r"^\| (R|RTS|P|E|TC)\W[^|]*\|(.*)\|$", text, re.MULTILINE)
    assert [task for task, _ in rows] == ["R", "RTS", "P", "E", "TC"]
    for task, cells in rows:
        shown = [cell.split("(")[0].strip() for cell in cells.split("|")]
        assert shown == [smallest_error(task, network) for network in ("fcn", "cnn", "st-fcn", "st-cnn")]


def smallest_error(task: str, network: str) -> str:
    """Mean over the seeds; of networks with a transformer, that of the best family of table 1."""
    networks = [f"{network}-{family}" for family in ("affine", "projective", "tps")] if "st-" in network else [network]
    cells = {*layout("1").names, *layout("addition").names}
    experiments = [name for network in networks if (name := f"mnist-{task.lower()}/{network}") in cells]
    errors = [error for name in experiments if (error := mean_error(name)) is not None]
    return f"{min(errors):.2f}" if errors else "–"


def mean_error(experiment: str) -> float | None:
    """Mean test error over the seeds that have run."""
    records = list((ROOT / "results" / experiment).glob("standard-seed*.json"))
    errors = [json.loads(record.read_text(encoding="utf-8"))["test_error"] for record in records]
    return fmean(errors) if errors else None


@pytest.mark.parametrize("readme", READMES)
def test_other_experiments_are_those_of_the_records(readme):
    text = (ROOT / readme).read_text(encoding="utf-8")
    ours = re.findall(r"^\| \[[^|]*\]\(docs/reproduction.md#[^|]*\|[^|]*\| ([\d. /]+) \|", text, re.MULTILINE)
    addition = [smallest_error("addition", network) for network in ("fcn", "cnn", "st-fcn", "2xst-fcn")]
    found = [f"{100 - mean_error(f'mnist-{task}/co-localiser'):.1f}" for task in ("t84", "tc84")]
    volumes = [f"{mean_error(f'mnist-3d/{network}'):.2f}" for network in ("cnn", "st-cnn-affine")]
    assert ours == [" / ".join(row) for row in (addition, found, volumes)]


@pytest.mark.parametrize("readme", READMES)
def test_speeds_are_those_of_the_benchmark(readme):
    means = json.loads((ROOT / "benchmarks" / "results" / "cpu.json").read_text(encoding="utf-8"))["means"]
    said = re.findall(r"(\d\.\d) (?:times|and|倍)", (ROOT / readme).read_text(encoding="utf-8"))
    assert said == [
        f"{means[f'{job} {direction}']:.1f}" for job in ("affine", "large") for direction in ("forward", "both")
    ]
