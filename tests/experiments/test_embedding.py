import dataclasses
from copy import deepcopy

import pytest

from support.record import RECORD
from unwarp.errors import CheckpointError
from unwarp.experiments.cells import Cell, finished_record, store_record
from unwarp.experiments.embedding import embedding_of, embedding_settings
from unwarp.experiments.experiment import choose
from unwarp.experiments.trained import refuse_other_run

CHOSEN = choose("mnist-tc84/co-localiser")
CELL = Cell(CHOSEN, 0)


def record():
    """A record of the co-localiser."""
    config = CHOSEN.config
    return dataclasses.replace(
        RECORD, name=CHOSEN.name, seed=0, config=config.values(), embedding=embedding_settings(config)
    )


def other_embedding():
    """Settings of an embedding that learned for one epoch."""
    settings = deepcopy(embedding_settings(CHOSEN.config))
    settings["training"]["epochs"] = 1
    return settings


def test_embedding_takes_digits_and_width_from_the_co_localiser():
    config = choose("mnist-tc84/co-localiser", ["model.width=8", "data.validation=300"]).config
    embedding = embedding_of(config)
    assert (embedding.name, embedding.config.model.width) == ("mnist-crops/cnn", 8)
    assert (embedding.config.data.distortion, embedding.config.data.validation) == ("cluttered-crops", 300)
    assert embedding_of(choose("mnist-t84/co-localiser").config).config.data.distortion == "crops"


def test_other_networks_have_no_embedding():
    assert embedding_of(choose("mnist-r/cnn").config) is None
    assert embedding_settings(choose("mnist-r/cnn").config) == {}


def test_record_counts_with_its_embedding_of_today_or_an_unknown_one(tmp_path):
    store_record(record(), tmp_path)
    assert finished_record(CELL, tmp_path) == record()
    store_record(dataclasses.replace(record(), embedding={}), tmp_path)
    assert finished_record(CELL, tmp_path) is not None


def test_record_of_another_embedding_does_not_count_and_moves_aside(tmp_path):
    store_record(dataclasses.replace(record(), embedding=other_embedding()), tmp_path)
    assert finished_record(CELL, tmp_path) is None
    store_record(record(), tmp_path)
    assert finished_record(CELL, tmp_path) == record()
    assert len(list((tmp_path / CHOSEN.name).glob("custom-*-seed0.json"))) == 1


def test_run_with_another_embedding_does_not_go_on(tmp_path, monkeypatch):
    path = tmp_path / "last.ckpt"
    about = {"name": CHOSEN.name, "seed": 0, "config": CHOSEN.config.values(), "embedding": other_embedding()}
    monkeypatch.setattr(
        "unwarp.experiments.trained.read_checkpoint", lambda path: type("Checkpoint", (), {"about": about})
    )
    with pytest.raises(CheckpointError, match="embedding"):
        refuse_other_run(path, CHOSEN, 0)
    about["embedding"] = embedding_settings(CHOSEN.config)
    refuse_other_run(path, CHOSEN, 0)
