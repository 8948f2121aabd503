"""The table of readers says what the records in results/ say."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "read-a-line.md"
ROW = re.compile(r"^\| `(lines/[\w-]+)` \| ([\d.]+) % \| ([\d.]+) \| ([\d,]+) \| `(\S+\.json)` \|$", re.MULTILINE)


def rows():
    return ROW.findall(PAGE.read_text(encoding="utf-8"))


def test_every_record_of_a_reader_is_in_the_table():
    recorded = {str(path.relative_to(ROOT)) for path in (ROOT / "results" / "lines").rglob("standard-*.json")}
    assert recorded == {path for *_, path in rows()}
    assert len(recorded) >= 2


def test_the_table_says_what_the_records_say():
    for name, error, characters, parameters, path in rows():
        record = json.loads((ROOT / path).read_text(encoding="utf-8"))
        assert record["name"] == name
        assert f"{record['test_error']:.1f}" == error
        assert f"{record['figures']['character error']:.1f}" == characters
        assert f"{record['parameters']:,}" == parameters


def test_the_budgets_are_equal():
    """Data and training; what concerns the localiser is no part of it: the reader alone has none."""
    records = [json.loads((ROOT / path).read_text(encoding="utf-8")) for *_, path in rows()]
    localiser = ("localiser_lr_scale", "regression_lr_scale", "outside_penalty")
    budgets = [
        (
            record["seed"],
            record["config"]["data"],
            {key: value for key, value in record["config"]["training"].items() if key not in localiser},
        )
        for record in records
    ]
    assert all(budget == budgets[0] for budget in budgets)


def test_the_spline_beats_the_reader_alone():
    errors = {name: float(error) for name, error, *_ in rows()}
    assert errors["lines/st-crnn-tps"] < errors["lines/crnn"]
