import dataclasses

import pytest

from support.small_mnist import test_digits, training_digits
from unwarp.data import mnist_subset
from unwarp.experiments.demo import EXPERIMENTS, SETTINGS, TRANSFORMER, train_demo
from unwarp.experiments.demo_report import PYTHON, demo_rows, write_demo_report
from unwarp.experiments.experiment import choose

TINY = ["data.source=packaged", "data.validation=32", "data.batch_size=32", "model.width=4", "training.epochs=1"]


@pytest.fixture(scope="module", autouse=True)
def _few_digits():
    """Make the package's set as small as the settings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mnist_subset, "subset", lambda split: {"train": training_digits, "test": test_digits}[split]())
        yield


@pytest.fixture(scope="module")
def demo(_few_digits, tmp_path_factory):
    """The demo's two runs, and their folder."""
    folder = tmp_path_factory.mktemp("demo")
    return {name: train_demo(name, folder, settings=TINY, progress=False) for name in EXPERIMENTS}, folder


def test_both_networks_have_the_same_budget():
    plain, transformed = (choose(name, SETTINGS).config for name in EXPERIMENTS.values())
    assert plain.data == transformed.data
    # The rates of a localiser mean nothing to a network without one.
    same = dataclasses.replace(transformed.training, localiser_lr_scale=1.0, regression_lr_scale=1.0)
    assert dataclasses.replace(plain.training, localiser_lr_scale=1.0, regression_lr_scale=1.0) == same
    assert plain.data.source == "packaged"


def test_the_classifier_behind_the_transformer_sees_few_pixels(demo):
    runs, _ = demo
    model = runs[TRANSFORMER].record.config["model"]
    assert (model["output"], model["pooling"]) == (0, 2)


def test_rows_hold_the_measured_errors(demo):
    runs, _ = demo
    for (name, error, parameters, _), (expected, finished) in zip(demo_rows(runs), runs.items(), strict=True):
        assert name == expected
        assert error == f"{finished.record.test_error:.2f} %"
        assert parameters == f"{finished.record.parameters:,}"


def test_report_stands_alone(demo):
    runs, folder = demo
    report, *pictures = write_demo_report(runs, folder, transformer=TRANSFORMER)
    text = report.read_text()
    assert {path.name for path in pictures} == {"figure.png", "curves.png"}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)
    assert text.count("data:image/png;base64,") == 2
    assert "http" not in text.replace("http://www.w3.org", "")
    for name, error, _, _ in demo_rows(runs):
        assert name in text
        assert error in text


def test_demo_replaces_an_older_one(demo):
    _, folder = demo
    train_demo(TRANSFORMER, folder, settings=TINY, progress=False)


def test_program_in_the_report_runs():
    names = {}
    exec(PYTHON, names)
    assert names["logits"].shape == (8, 10)
