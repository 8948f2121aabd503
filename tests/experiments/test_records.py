import dataclasses
import json
from pathlib import Path

import pytest

from support.record import RECORD
from unwarp.errors import DataError
from unwarp.experiments.records import read_record, write_record


def test_round_trip(tmp_path):
    path = write_record(RECORD, tmp_path / "new" / "folder" / "record.json")
    assert read_record(path) == RECORD
    assert [file.name for file in path.parent.iterdir()] == ["record.json"]


def test_each_epoch_has_a_line(tmp_path):
    epochs = [{"epoch": 1, "val_error": 2.5}, {"epoch": 2, "val_error": 2.0}]
    path = write_record(dataclasses.replace(RECORD, history=epochs), tmp_path / "record.json")
    lines = [line.strip().removesuffix(",") for line in path.read_text().splitlines()]
    assert [json.loads(line) for line in lines if line.startswith('{"')] == epochs
    assert read_record(path).history == epochs
    assert read_record(write_record(dataclasses.replace(RECORD, history=[]), path)).history == []


def test_file_tells_experiment_label_and_seed():
    assert RECORD.file == Path("mnist-rts/cnn/standard-seed3.json")


def test_failed_write_keeps_the_old_record(tmp_path, monkeypatch):
    path = write_record(RECORD, tmp_path / "record.json")

    def fail(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        write_record(dataclasses.replace(RECORD, test_error=99), path)
    assert read_record(path) == RECORD
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", json.dumps({"name": "x"})])
def test_damaged_records_are_refused(tmp_path, content):
    path = tmp_path / "record.json"
    path.write_text(content)
    with pytest.raises(DataError, match=r"record\.json"):
        read_record(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("config", [1]),
        ("config", {"data": 3}),
        ("test_error", "12"),
        ("seed", 1.5),
        ("history", [1]),
        ("figures", None),
        ("digits", 7),
        ("test_examples", "40"),
    ],
)
def test_values_of_another_type_are_refused(tmp_path, name, value):
    path = tmp_path / "record.json"
    path.write_text(json.dumps(dataclasses.asdict(RECORD) | {name: value}))
    with pytest.raises(DataError, match=rf"record\.json \(.*{name}.*Delete the file"):
        read_record(path)


def test_missing_record_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"none\.json"):
        read_record(tmp_path / "none.json")
