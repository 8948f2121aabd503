import dataclasses
import shutil

import pytest

from support.record import RECORD
from unwarp.data import mnist
from unwarp.errors import DataError
from unwarp.experiments.cells import Cell, finished_record, records_of, store_record
from unwarp.experiments.digits import digits_of
from unwarp.experiments.experiment import choose

FULL, PACKAGED = choose("mnist-r/fcn"), choose("mnist-r/fcn", ["data.source=packaged"])
OTHER = "0123456789abcdef"


def record(experiment=FULL, **changes):
    values = {"name": experiment.name, "label": experiment.label, "seed": 0, "config": experiment.config.values()}
    return dataclasses.replace(RECORD, **(values | changes))


def test_record_of_other_digits_does_not_count_and_moves_aside(tmp_path):
    cell = Cell(FULL, 0)
    store_record(record(digits=OTHER), tmp_path)
    assert finished_record(cell, tmp_path, digits=OTHER) == record(digits=OTHER)
    assert finished_record(cell, tmp_path, digits=mnist.PUBLISHED) is None
    store_record(record(digits=mnist.PUBLISHED), tmp_path)
    assert finished_record(cell, tmp_path, digits=mnist.PUBLISHED) is not None
    (aside,) = (tmp_path / FULL.name).glob("custom-*-seed0.json")
    assert OTHER in aside.read_text()


def test_record_that_does_not_name_its_digits_is_of_the_published_or_packaged_ones(tmp_path):
    for experiment, expected in ((FULL, mnist.PUBLISHED), (PACKAGED, digits_of(PACKAGED.config.data, None))):
        store_record(record(experiment), tmp_path)
        assert finished_record(Cell(experiment, 0), tmp_path, digits=expected) is not None
        assert finished_record(Cell(experiment, 0), tmp_path, digits=OTHER) is None


def test_copies_among_the_records_are_passed_over(tmp_path):
    path = store_record(record(), tmp_path)
    for name in ("seed0 (copy)", "seed00", "seed-1", "seed", "seed\u0663"):
        shutil.copyfile(path, path.with_name(f"{FULL.label}-{name}.json"))
    assert records_of(FULL, tmp_path) == [record()]


def test_damaged_record_is_refused_with_a_remedy_and_replaced(tmp_path):
    path = store_record(record(), tmp_path)
    path.write_text(path.read_text()[:100])
    with pytest.raises(DataError, match="Delete the file"):
        records_of(FULL, tmp_path)
    store_record(record(), tmp_path)
    assert records_of(FULL, tmp_path) == [record()]
