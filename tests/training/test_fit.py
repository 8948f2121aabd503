import csv
import os
import signal
from functools import partial

import pytest
import torch

from unwarp.data.distorted_mnist import FreshBatches
from unwarp.errors import CheckpointError, TrainingError
from unwarp.training.checkpoints import read_checkpoint
from unwarp.training.fit import Terminated
from unwarp.training.fit import test_error as measure
from unwarp.training.module import ClassificationModule
from unwarp.training.precision import Precision
from unwarp.training.schedules import modern

CPU = torch.device("cpu")
FLOAT32 = Precision()


class KilledInTheSecondEpoch(FreshBatches):
    def __getitem__(self, key):
        if key == (1, 1):
            raise KeyboardInterrupt
        return super().__getitem__(key)


class AskedToEnd(FreshBatches):
    """SIGTERM comes with a batch of the second epoch."""

    batch = 0

    def __getitem__(self, key):
        if key == (1, self.batch % self.num_batches):
            os.kill(os.getpid(), signal.SIGTERM)
        return super().__getitem__(key)


class AskedToEndAtTheEnd(AskedToEnd):
    batch = -1


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first | second)


def figures(history):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history]


@pytest.fixture(scope="module")
def run(tmp_path_factory, make_module, make_data, fit_small):
    """A run of two epochs: its folder, module and outcome."""
    folder, module = tmp_path_factory.mktemp("run"), make_module()
    return folder, module, fit_small(module, make_data(), folder)


def test_same_seed_gives_the_same_run_twice(run, tmp_path, make_module, make_data, fit_small):
    _, module, outcome = run
    again = make_module()
    repeated = fit_small(again, make_data(), tmp_path)
    assert same(module.model.state_dict(), again.model.state_dict())
    assert figures(outcome.history) == figures(repeated.history)


def test_another_seed_gives_another_run(run, tmp_path, make_module, make_data, fit_small):
    _, module, _ = run
    other = make_module()
    fit_small(other, make_data(seed=1), tmp_path)
    assert not same(module.model.state_dict(), other.model.state_dict())


@pytest.mark.parametrize("hidden", ["adamw", "muon"])
def test_resumed_run_equals_the_uninterrupted_one(hidden, tmp_path, make_module, make_data, fit_small):
    module = make_module(hidden=hidden)
    outcome = fit_small(module, make_data(), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fit_small(make_module(hidden=hidden), make_data(training=KilledInTheSecondEpoch), tmp_path)
    last = tmp_path / "checkpoints" / "last.ckpt"
    assert read_checkpoint(last).epoch == 1
    resumed = make_module(seed=5, hidden=hidden)  # its weights come from the checkpoint
    again = fit_small(resumed, make_data(), tmp_path, resume=last)
    assert same(module.model.state_dict(), resumed.model.state_dict())
    assert figures(again.history) == figures(outcome.history)


@pytest.mark.parametrize("training", [AskedToEnd, AskedToEndAtTheEnd])
def test_a_request_to_end_is_told_apart_from_success(training, tmp_path, make_module, make_data, fit_small):
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Terminated):
        fit_small(make_module(), make_data(training=training), tmp_path)
    assert read_checkpoint(tmp_path / "checkpoints" / "last.ckpt").epoch == 1
    assert signal.getsignal(signal.SIGTERM) is handler


def test_a_request_to_end_after_the_last_epoch_is_heeded(tmp_path, make_module, make_data, fit_small):
    module = make_module()
    module.on_train_end = lambda: os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(Terminated):
        fit_small(module, make_data(), tmp_path)
    assert read_checkpoint(tmp_path / "checkpoints" / "last.ckpt").epoch == 2


def test_a_request_to_end_during_the_test_is_heeded(make_module, make_data):
    module, data = make_module(), make_data()
    module.register_forward_pre_hook(lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(Terminated):
        measure(module, data, precision=FLOAT32, device=CPU)


def test_history_and_logs_hold_errors_and_theta(run):
    folder, _, outcome = run
    wanted = {"train_loss", "train_error", "val_loss", "val_error", "theta_spread", "theta_least", "theta_most"}
    assert [row["epoch"] for row in outcome.history] == [1, 2]
    assert all(wanted <= set(row) for row in outcome.history)
    assert outcome.seconds == pytest.approx(sum(row["seconds"] for row in outcome.history))
    with (folder / "logs" / "csv" / "version_0" / "metrics.csv").open() as file:
        assert wanted <= set(csv.DictReader(file).fieldnames)
    assert list((folder / "logs" / "tensorboard" / "version_0").glob("events.*"))


def test_best_checkpoint_is_the_best_epochs(run, make_module):
    _, _, outcome = run
    best = min(outcome.history, key=lambda row: row["val_error"])
    assert read_checkpoint(outcome.best).epoch == best["epoch"]
    assert read_checkpoint(outcome.last).epoch == 2
    assert read_checkpoint(outcome.last).about == {"made": "by a test"}


def test_last_checkpoint_is_the_last_epoch_though_an_earlier_one_is_best(tmp_path, make_module, make_data, fit_small):
    outcome = fit_small(make_module(lr=1e-20), make_data(), tmp_path)
    assert len({row["val_error"] for row in outcome.history}) == 1
    assert (read_checkpoint(outcome.best).epoch, read_checkpoint(outcome.last).epoch) == (1, 2)


def test_test_error_counts_wrong_answers(run, make_data):
    _, module, _ = run
    data = make_data()
    with torch.no_grad():
        wrong = (module.model.eval()(data.test.images).argmax(1) != data.test.labels).double().mean()
    assert measure(module, data, precision=FLOAT32, device=CPU) == pytest.approx(100 * wrong.item(), abs=1e-4)


def test_non_finite_loss_stops_at_once_and_names_theta(tmp_path, make_module, make_data, fit_small):
    module = make_module()
    with torch.no_grad():
        module.model.transformer.regression.bias[2] = torch.nan
    with pytest.raises(TrainingError, match=r"got nan in epoch 1, step 1\. theta of .* was from 0 to 1, 32 of"):
        fit_small(module, make_data(), tmp_path)
    assert not (tmp_path / "checkpoints").exists()


def test_exploding_learning_rate_stops(tmp_path, make_module, make_data, fit_small):
    module = make_module(lr=1e30)
    with pytest.raises(TrainingError, match="localiser_lr_scale"):
        fit_small(module, make_data(), tmp_path)


def test_resuming_another_model_is_refused_before_anything_is_written(run, tmp_path, make_module, make_data, fit_small):
    _, _, outcome = run
    with pytest.raises(CheckpointError, match="holds another model"):
        fit_small(make_module(width=5), make_data(), tmp_path, resume=outcome.last)
    assert not list(tmp_path.iterdir())


def test_bfloat16_learns_too(tmp_path, make_module, make_data, fit_small):
    outcome = fit_small(
        make_module(), make_data(), tmp_path, epochs=1, precision=Precision("bfloat16", channels_last=True)
    )
    weights = read_checkpoint(outcome.last).weights
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}
    assert outcome.history[0]["train_loss"] < 3


def test_progress_bar_draws(tmp_path, make_module, make_data, fit_small, capsys):
    fit_small(make_module(), make_data(), tmp_path, epochs=1, progress=True)
    assert "Epoch" in capsys.readouterr().out


def test_filters_of_pictures_and_volumes_lie_with_channels_innermost():
    model = torch.nn.ModuleList([torch.nn.Conv3d(2, 3, 2), torch.nn.Conv2d(3, 4, 2)])
    ClassificationModule(model, partial(modern, lr=0.1), channels_last=True)
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last_3d)
    assert model[1].weight.is_contiguous(memory_format=torch.channels_last)


def test_features_of_a_single_channel_lie_with_channels_innermost():
    convolution = torch.nn.Conv2d(1, 4, 3)
    module = ClassificationModule(convolution, partial(modern, lr=0.1), channels_last=True)
    features = module(torch.rand(2, 1, 8, 8))
    assert features.stride() == (4 * 36, 1, 4 * 6, 4)
