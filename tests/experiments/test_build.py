from dataclasses import replace

import pytest
import torch
from torch.optim import SGD, AdamW

from unwarp.errors import DataError, OptionError
from unwarp.experiments.build import build_data, build_epochs, build_model, build_module, build_plan, build_precision
from unwarp.experiments.config import TrainingConfig
from unwarp.experiments.experiment import choose
from unwarp.models import CNN
from unwarp.training.muon import MuonWithAdamW
from unwarp.training.precision import Precision

CPU = torch.device("cpu")


def training(*assignments):
    return choose("mnist-r/cnn", assignments).config.training


def test_epochs_and_steps():
    assert build_epochs(training("training.epochs=7"), batches=10) == 7
    assert build_epochs(training("training.steps=150000"), batches=215) == 698
    assert build_epochs(training("training.steps=150000"), batches=431, processes=2) == 698


@pytest.mark.parametrize("setting", ["training.epochs=7", "training.steps=5"])
def test_more_processes_than_batches_are_refused(setting):
    with pytest.raises(OptionError, match="devices: expected at most 1 processes, .* got 2. Use fewer"):
        build_epochs(training(setting), batches=1, processes=2)


@pytest.mark.parametrize(
    ("assignments", "expected"),
    [
        ([], Precision("bfloat16", channels_last=True)),
        (["training.precision=float32"], Precision("float32", channels_last=False)),
        (["training.precision=float32", "training.channels_last=yes"], Precision("float32", channels_last=True)),
        (["training.channels_last=no"], Precision("bfloat16", channels_last=False)),
    ],
)
def test_precision_where_bfloat16_is_fast(monkeypatch, assignments, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert build_precision(training(*assignments), CPU) == expected


def test_precision_where_it_is_not(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    assert build_precision(training(), CPU) == Precision()
    assert build_precision(training("training.precision=bfloat16"), CPU).dtype == "bfloat16"


def test_validation_digits_are_not_trained_on(mnist_folder, small):
    config = choose("mnist-rts/cnn", small).config.data
    data = build_data(config, seed=3, data_dir=mnist_folder)
    assert (len(data.training.digits), len(data.validation.labels), len(data.test.labels)) == (64, 32, 40)
    assert data.validation.images.shape[2:] == (42, 42)


def test_only_training_batches_depend_on_the_seed(mnist_folder, small):
    config = choose("mnist-rts/cnn", small).config.data
    first, second = (build_data(config, seed=seed, data_dir=mnist_folder) for seed in (0, 1))
    assert torch.equal(first.test.images, second.test.images)
    assert torch.equal(first.validation.images, second.validation.images)
    assert not torch.equal(first.training[0, 0][0], second.training[0, 0][0])


def test_packaged_digits_need_no_folder():
    data = build_data(choose("mnist-r/cnn", ["data.source=packaged", "data.validation=5990"]).config.data, seed=0)
    assert (len(data.training.digits), len(data.test.labels)) == (10, 2000)


def test_too_many_validation_digits(mnist_folder):
    with pytest.raises(OptionError, match="95 of the 96"):
        build_data(choose("mnist-r/cnn").config.data, seed=0, data_dir=mnist_folder)


def test_missing_folder(tmp_path):
    with pytest.raises(DataError, match="train-images"):
        build_data(choose("mnist-r/cnn").config.data, seed=0, data_dir=tmp_path)


def test_control_points_reach_the_transform():
    config = choose("mnist-r/st-cnn-tps", ["model.control=3"]).config
    assert build_model(config.model, config.data).transformer.transform.theta_shape == (9, 2)


def module_of(name, *assignments):
    config = choose(name, assignments).config
    return build_module(config.training, build_model(config.model, config.data), Precision(), about={})


def test_penalties_reach_the_module():
    module = module_of("mnist-r/st-cnn-tps", "training.bending_penalty=0.1", "training.outside_penalty=1")
    assert choose("mnist-r/st-cnn-tps", ["training.bending_penalty=0.1"]).config.training.penalties() == {
        "bending": 0.1
    }
    images = torch.rand(2, 1, 28, 28)
    assert module.training_step((images, torch.tensor([1, 2])), 0).requires_grad


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mnist-r/cnn", "at least one spatial transformer"),
        ("mnist-t84/co-localiser", "no penalties for a co-localiser"),
    ],
)
def test_penalties_without_something_to_penalise(name, message):
    with pytest.raises(OptionError, match=message):
        module_of(name, "training.outside_penalty=1")


@pytest.mark.parametrize(("recipe", "optimiser"), [("modern", AdamW), ("muon", MuonWithAdamW), ("published", SGD)])
def test_each_recipe_has_its_optimiser(recipe, optimiser):
    config = TrainingConfig(recipe=recipe, lr=0.01, warmup=0.0)
    plan = build_plan(config)(CNN((28, 28), width=4), 10)
    assert type(plan.optimiser) is optimiser
    assert plan.optimiser.param_groups[0]["lr"] == pytest.approx(0.01)


def test_bent_digits_reach_training_alone():
    config = choose("mnist-r/cnn", ["data.source=packaged", "data.validation=100"]).config.data
    plain, bent = build_data(config, seed=0), build_data(replace(config, bend=0.03), seed=0)
    assert not torch.equal(plain.training[0, 0][0], bent.training[0, 0][0])
    assert torch.equal(plain.training[0, 0][1], bent.training[0, 0][1])
    for one, other in ((plain.validation, bent.validation), (plain.test, bent.test)):
        assert torch.equal(one[0][0], other[0][0])


def test_images_that_never_change_are_not_bent():
    with pytest.raises(OptionError, match="data.bend: expected 0 for tc84"):
        choose("mnist-tc84/co-localiser", ["data.bend=0.03"])


def test_only_co_localisers_have_several_starts():
    config = choose("mnist-t84/co-localiser", ["model.starts=3", "model.width=4"]).config
    model = build_model(config.model, config.data)
    assert len(model.transformers) == 30
    with pytest.raises(OptionError, match="model.starts: expected 1 for cnn, got 2"):
        choose("mnist-r/cnn", ["model.starts=2"])
