import json
from pathlib import Path

import pytest
import torch

from unwarp.cli.next_step import next_step
from unwarp.experiments.catalog import CATALOG
from unwarp.models import st_fcn

NAME = "mnist-r/st-cnn-affine"


def records():
    return sorted(Path("results").rglob("*.json"))


def test_leaves_a_record_and_checkpoints(train):
    done = train(NAME, "--seed", 3)
    assert done.code == 0
    assert done.err == ""
    (path,) = records()
    record = json.loads(path.read_text())
    assert (record["name"], record["seed"]) == (NAME, 3)
    assert f"test error │ {record['test_error']:.2f} %" in done.out
    (run,) = Path("runs", NAME).iterdir()
    assert run.name == f"{record['label']}-seed3"
    assert {path.name for path in (run / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    assert json.loads((run / "record.json").read_text()) == record
    assert f"next: unwarp figure {run / 'checkpoints' / 'best.ckpt'}" in done.out.replace("\n", " ")


def test_paths_are_printed_as_they_are_and_on_one_line(train):
    run = f"runs/a [b] [/b] :smile: {70 * 'c'}"
    done = train(NAME, "--out", run)
    assert done.code == 0
    assert f"seed 0: {run} " in done.out
    assert f"weights: {run}/checkpoints/best.ckpt " in done.out


@pytest.mark.parametrize(
    ("model", "pictures", "command"),
    [
        (st_fcn((8, 8), width=8), True, "figure"),
        (st_fcn((8, 8), width=8), False, "evaluate"),
        (torch.nn.Linear(2, 2), True, "evaluate"),
    ],
)
def test_the_next_step_is_one_that_the_network_can_take(model, pictures, command):
    assert next_step(Path("best.ckpt"), model, pictures=pictures) == f"next: unwarp {command} best.ckpt"
    odd = next_step(Path("a run/best.ckpt"), model, pictures=pictures)
    assert odd == f"next: unwarp {command} 'a run/best.ckpt'"


def test_settings_change_the_run(train):
    assert train(NAME, "training.epochs=2", "model.transform=projective").code == 0
    config = json.loads(records()[0].read_text())["config"]
    assert (config["training"]["epochs"], config["model"]["transform"]) == (2, "projective")


def test_a_second_run_is_refused_resumed_or_replaced(train):
    assert train(NAME).code == 0
    refused = train(NAME)
    assert refused.code == 2
    assert "--resume" in refused.err
    assert "--overwrite" in refused.err
    assert train(NAME, "--resume").code == 0
    assert train(NAME, "--overwrite").code == 0


def test_resume_without_a_run_starts_one(train):
    assert train(NAME, "--resume").code == 0


def test_interruption_is_no_traceback_and_can_be_resumed(train, monkeypatch):
    from unwarp.data.distorted_mnist import FreshBatches

    def interrupt(_self, key):
        if key[0] == 1:
            raise KeyboardInterrupt
        return original(_self, key)

    original = FreshBatches.__getitem__
    with monkeypatch.context() as patch:
        patch.setattr(FreshBatches, "__getitem__", interrupt)
        interrupted = train(NAME, "training.epochs=2")
    assert interrupted.code == 130
    assert "--resume" in interrupted.out
    assert records() == []
    assert train(NAME, "training.epochs=2", "--resume").code == 0
    assert [row["epoch"] for row in json.loads(records()[0].read_text())["history"]] == [1, 2]


def test_list_prints_every_name(unwarp):
    assert unwarp("train", "--list").out.split() == list(CATALOG)


@pytest.mark.parametrize(("budget", "recipe"), [("quick", "modern"), ("paper", "published")])
def test_budget_changes_the_settings(train, budget, recipe, monkeypatch):
    seen = []

    def stop(experiment, folder, **_options):
        seen.append((experiment.config.training.recipe, str(folder)))
        raise KeyboardInterrupt

    monkeypatch.setattr("unwarp.experiments.run.run", stop)
    assert train(NAME, "--budget", budget).code == 130
    assert seen[0][0] == recipe
