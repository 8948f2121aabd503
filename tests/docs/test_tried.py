"""The tables of what was tried say what the records say."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXPERIMENTS = ("mnist-tc/st-fcn-affine", "mnist-rts/st-cnn-affine")
RECIPES = {"AdamW": "modern", "Muon": "muon"}


def tables() -> list[list[dict[str, str]]]:
    """The rows of each table of the section, by the names of their columns."""
    page = (ROOT / "docs" / "reproduction.md").read_text(encoding="utf-8")
    section = page.split("### What was tried\n")[1].split("\n## ")[0]
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE):
        names, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines())
        found.append([dict(zip(names, row, strict=True)) for row in rows])
    return found


def trials() -> list[tuple[str, dict[str, str]]]:
    return [(name, row) for name, rows in zip(EXPERIMENTS, tables(), strict=True) for row in rows]


@pytest.mark.parametrize(("experiment", "row"), trials(), ids=[row["label"].strip("`") for _, row in trials()])
def test_rows_are_those_of_the_records(experiment, row):
    record = json.loads((ROOT / "results" / experiment / f"{row['label'].strip('`')}-seed0.json").read_text())
    data, model, training = (record["config"][part] for part in ("data", "model", "training"))
    assert record["test_error"] == pytest.approx(float(row["test"]), abs=0.005)
    assert record["validation_error"] == pytest.approx(float(row["validation"]), abs=0.005)
    assert data["batch_size"] == int(row["batch"])
    assert training["recipe"] == RECIPES[row["recipe"]]
    assert training["epochs"] == int(row["epochs"])
    assert training["lr"] == float(row["rate"])
    assert training["weight_decay"] == float(row["weight decay"])
    if "the classifier sees" in row:
        side = (model.get("output") or 42) // model["pooling"]
        assert row["the classifier sees"] == f"{side} × {side}"


def test_every_record_of_the_networks_with_todays_other_settings_is_told():
    """Earlier rates of the localiser, and labels that were not smoothed, are no rows of these tables."""
    for experiment, rows in zip(EXPERIMENTS, tables(), strict=True):
        told = {row["label"].strip("`") for row in rows}
        for path in (ROOT / "results" / experiment).glob("*-seed0.json"):
            training = json.loads(path.read_text())["config"]["training"]
            if training.get("regression_lr_scale") == 4.0 and training["localiser_lr_scale"] == 1.0:
                assert path.name.removesuffix("-seed0.json") in told | {"paper"}
