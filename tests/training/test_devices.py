import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lightning.pytorch.utilities import rank_zero_only

from support import together
from unwarp.data.distorted_mnist import FreshBatches
from unwarp.errors import OptionError
from unwarp.training.devices import Devices, is_writer

TESTS = Path(__file__).parents[1]
SCRIPT = ["-m", "support.together"]
DISTRIBUTED = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT", "SLURM_NTASKS")


class DoubledBatches(FreshBatches):
    """Each batch is two of the ordinary ones, joined."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.num_batches //= 2

    def __getitem__(self, key):
        epoch, batch = key
        pair = [super(DoubledBatches, self).__getitem__((epoch, 2 * batch + k)) for k in range(2)]
        return tuple(torch.cat(parts) for parts in zip(*pair, strict=True))


@pytest.fixture(scope="module")
def doubled(tmp_path_factory):
    """One process with batches of twice the size."""
    return together.train(tmp_path_factory.mktemp("doubled"), together.data(DoubledBatches), Devices())


def environment(**added):
    plain = {name: value for name, value in os.environ.items() if name not in DISTRIBUTED}
    return {**plain, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1", **added}


def by_lightning(out):
    """One command, which starts the second process itself."""
    return [subprocess.Popen([sys.executable, *SCRIPT, str(out), "2"], env=environment())]


def by_torchrun(out):
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", *SCRIPT, str(out), "2"]
    return [subprocess.Popen([sys.executable, *command], env=environment())]


def by_slurm(out):
    """What srun gives each of two tasks."""
    common = {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2", "SLURM_JOB_ID": "31007", "SLURM_JOB_NAME": "unwarp"}
    common |= {"SLURM_NODELIST": "127.0.0.1", "SLURM_NNODES": "1", "SLURM_NODEID": "0"}
    tasks = [environment(**common, SLURM_PROCID=str(rank), SLURM_LOCALID=str(rank)) for rank in range(2)]
    return [subprocess.Popen([sys.executable, *SCRIPT, str(out), "2"], env=task) for task in tasks]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("launch", [by_lightning, by_torchrun, by_slurm])
def test_two_processes_are_one_with_the_doubled_batch(launch, doubled, tmp_path):
    codes = [process.wait() for process in launch(tmp_path)]
    assert set(codes) == {0}
    history, error, weights = torch.load(tmp_path / "found.pt", weights_only=True)
    expected, expected_error, expected_weights = doubled
    for row, other in zip(history, expected, strict=True):
        # Sums in another order; Adam's first steps divide small gradients by small gradients.
        assert row["train_loss"] == pytest.approx(other["train_loss"], rel=1e-3)
        assert row["val_loss"] == pytest.approx(other["val_loss"], rel=1e-3)
        assert row["val_error"] == pytest.approx(other["val_error"], abs=1e-4)
    assert error == pytest.approx(expected_error, abs=1e-4)
    for name, weight in weights.items():
        torch.testing.assert_close(weight, expected_weights[name], rtol=0, atol=1e-3)
    assert len(list((tmp_path / "logs" / "csv").iterdir())) == 1


def test_counts_are_checked():
    assert Devices(2, nodes=3).processes == 6
    with pytest.raises(OptionError, match="num_nodes"):
        Devices(1, nodes=0)
    with pytest.raises(OptionError, match="strategy"):
        Devices(2, strategy="dpp")


def test_records_of_several_processes_have_a_label_of_their_own():
    assert (Devices().label, Devices(2, nodes=2).label) == ("", "-4processes")


def test_a_process_alone_writes():
    assert is_writer()


def torchrun(monkeypatch, **variables):
    for name, value in {"TORCHELASTIC_RUN_ID": "1", **variables}.items():
        monkeypatch.setenv(name, value)


def test_as_many_take_part_as_torchrun_has_started(monkeypatch):
    torchrun(monkeypatch, WORLD_SIZE="4", LOCAL_WORLD_SIZE="2", RANK="1", LOCAL_RANK="1")
    Devices(2, nodes=2).join()
    for wrong in (Devices(), Devices(2), Devices(4)):
        with pytest.raises(OptionError, match="torchrun has started, 4, 2 a machine, got .* Give --devices"):
            wrong.join()


def test_as_many_take_part_as_slurm_has_started(monkeypatch):
    for name, value in {"NTASKS": "4", "NTASKS_PER_NODE": "2", "NNODES": "2", "JOB_NAME": "training"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    Devices(2, nodes=2).join()
    for wrong in (Devices(), Devices(4)):
        with pytest.raises(OptionError, match="SLURM has started, 4, 2 a machine, got"):
            wrong.join()
    monkeypatch.setenv("SLURM_JOB_NAME", "interactive")  # a shell, in which processes are started by hand
    Devices().join()


def test_a_process_alone_writes_whatever_its_shell_says(monkeypatch):
    """An interactive shell of SLURM numbers its tasks; Lightning takes the number at import."""
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    assert not is_writer()
    Devices(2).join()
    assert not is_writer()
    Devices().join()
    assert is_writer()


def test_modules_that_train_by_parts_have_a_strategy_for_it():
    assert Devices(2).leaving_parameters_out().strategy == "ddp_find_unused_parameters_true"
    for kept in (Devices(), Devices(2, strategy="ddp")):
        assert kept.leaving_parameters_out() is kept
