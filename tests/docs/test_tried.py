"""The tables of what was tried say what the records say."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from unwarp.experiments.config import ExperimentConfig
from unwarp.experiments.experiment import choose

ROOT = Path(__file__).parents[2]
TABLES = {
    "ST-FCN on TC": "mnist-tc/st-fcn-affine",
    "ST-CNN on RTS": "mnist-rts/st-cnn-affine",
    "ST-FCN with a thin-plate spline on MNIST addition": "mnist-addition/st-fcn-tps",
}
"""Section of the page -> the experiment of its table."""
RECIPES = {"AdamW": "modern", "Muon": "muon"}


def tables() -> dict[str, list[dict[str, str]]]:
    """Experiment -> the rows of its table, by the names of their columns."""
    text = (ROOT / "docs" / "reproduction-trials.md").read_text(encoding="utf-8")
    found = {}
    for section in text.partition("\n## Other runs")[0].split("\n## ")[1:]:
        (block,) = re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE)
        found[TABLES[section.partition("\n")[0]]] = _rows(block)
    assert set(found) == set(TABLES.values())
    return found


def _rows(table: str) -> list[dict[str, str]]:
    names, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines())
    return [dict(zip(names, row, strict=True)) for row in rows]


def trials() -> list[tuple[str, dict[str, str]]]:
    return [(name, row) for name, rows in tables().items() for row in rows]


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
    if "digits bent by" in row:
        assert data.get("bend", 0) == float(row["digits bent by"])
    if (units := row.get("filters") or row.get("units")) is not None:
        assert model["width"] == int(units)
    if "localiser" in row:
        assert training["localiser_lr_scale"] == float(row["localiser"])
        assert training["regression_lr_scale"] == float(row["regression"])
        assert training["label_smoothing"] == float(row["smoothing"])
        assert training["outside_penalty"] == float(row["outside"])
        assert training["warmup"] == float(row["warm-up"])
        assert record["precision"]["dtype"] == row["arithmetic"]


def test_every_record_of_the_networks_with_todays_other_settings_is_told():
    """Earlier rates of the localiser, and labels that were not smoothed, need no rows in Table 1's tables."""
    for experiment, rows in tables().items():
        told = {row["label"].strip("`") for row in rows}
        for path in (ROOT / "results" / experiment).glob("*-seed0.json"):
            training = json.loads(path.read_text())["config"]["training"]
            today = training.get("regression_lr_scale") == 4.0 and training["localiser_lr_scale"] == 1.0
            if today or experiment.startswith("mnist-addition"):
                assert path.name.removesuffix("-seed0.json") in told | {"paper"}


def others() -> list[dict[str, str]]:
    text = (ROOT / "docs" / "reproduction-trials.md").read_text(encoding="utf-8")
    return _rows(text.partition("\n## Other runs")[2].partition("\n\n|")[2].join(("|", "")))


@pytest.mark.parametrize("row", others(), ids=lambda row: row["label"].strip("`"))
def test_other_runs_are_those_of_the_records(row):
    record = json.loads((ROOT / "results" / row["experiment"] / f"{row['label'].strip('`')}-seed0.json").read_text())
    assert record["test_error"] == pytest.approx(float(row["test"]), abs=0.005)
    assert record["validation_error"] == pytest.approx(float(row["validation"]), abs=0.005)
    told = dict(setting.split("=") for setting in row["other settings"].split(", "))
    config = ExperimentConfig.read(record["config"]).values()
    today = choose(row["experiment"]).config.values()
    changed = {
        f"{part}.{key}": value
        for part, values in config.items()
        for key, value in values.items()
        if today[part][key] != value
    }
    assert told.keys() == changed.keys()
    assert all(type(value)(told[key]) == value for key, value in changed.items())


def test_every_run_is_told():
    """By its label; runs of a table by the table. A label of seeds after the first may leave out its first word."""
    text = "".join((ROOT / "docs" / page).read_text() for page in ("reproduction.md", "reproduction-trials.md"))
    records = (path for path in (ROOT / "results").glob("mnist-*/*/*-seed*.json") if "weights-" not in path.name)
    labels = {path.stem.rpartition("-seed")[0] for path in records} - {"standard", "paper"}
    assert [label for label in labels if not re.search(f"`(custom)?{label.removeprefix('custom')}`", text)] == []


def bent() -> list[dict[str, str]]:
    text = (ROOT / "docs" / "reproduction.md").read_text(encoding="utf-8")
    section = re.split(r"\n##+ ", text.split("### Bent digits\n")[1])[0]
    (table,) = re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE)
    return _rows(table)


@pytest.mark.parametrize("row", bent(), ids=lambda row: row["network"])
def test_trainings_on_bent_digits_are_those_of_the_records(row):
    network = row["network"].lower().replace("thin-plate spline", "tps").replace(" ", "-")
    records, as_written = (_records(f"mnist-rts/{network}", label) for label in ("standard", row["label"].strip("`")))
    for column, field in (("validation", "validation_error"), ("test", "test_error")):
        assert [float(one) for one in row[column].split(", ")] == [round(one[field], 2) for one in records]
    for column, chosen in (("mean", records), ("as written", as_written)):
        assert float(row[column]) == pytest.approx(sum(one["test_error"] for one in chosen) / 3, abs=0.005)
    for one in records:
        data, model = one["config"]["data"], one["config"]["model"]
        assert (data["bend"], model["width"], model["output"]) == (0.03, 88, 0 if network == "cnn" else 28)
        assert 0.112 < one["history"][-1]["val_loss"] < 0.116
    for one in as_written:
        data, model = one["config"]["data"], one["config"]["model"]
        assert (data.get("bend", 0), model["width"]) == (0, 64)


def _records(experiment: str, label: str) -> list[dict[str, Any]]:
    folder = ROOT / "results" / experiment
    assert len(list(folder.glob(f"{label}-seed*.json"))) == 3
    return [json.loads((folder / f"{label}-seed{seed}.json").read_text()) for seed in range(3)]
