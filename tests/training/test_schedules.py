import pytest
from torch import nn
from torch.optim import SGD, AdamW

from unwarp.models import CNN, st_cnn
from unwarp.training.muon import MuonWithAdamW
from unwarp.training.schedules import modern, published


def rates(plan, steps):
    """Learning rate of the first group in each step."""
    seen = []
    for _ in range(steps):
        seen.append(plan.optimiser.param_groups[0]["lr"])
        plan.optimiser.step()
        plan.schedule.step()
    return seen


def test_published_falls_to_a_tenth_every_50_of_150():
    plan = published(nn.Linear(2, 2), 150)
    assert isinstance(plan.optimiser, SGD)
    assert plan.optimiser.param_groups[0]["momentum"] == 0
    assert rates(plan, 150) == pytest.approx([0.01] * 50 + [0.001] * 50 + [0.0001] * 50)


def test_published_at_the_papers_length():
    assert published(nn.Linear(2, 2), 150_000).schedule.step_size == 50_000


def test_modern_rises_then_falls_to_zero():
    plan = modern(nn.Linear(2, 2), 100, lr=0.1, warmup=0.1)
    assert isinstance(plan.optimiser, AdamW)
    seen = rates(plan, 101)
    assert seen[:10] == pytest.approx([0.01 * n for n in range(1, 11)])
    assert seen[55] == pytest.approx(0.05)
    assert seen[10:] == sorted(seen[10:], reverse=True)
    assert seen[100] == pytest.approx(0, abs=1e-12)


def test_muon_takes_the_hidden_layers_at_the_same_rates():
    muon, adamw = (modern(st_cnn((28, 28), width=32), 10, lr=0.1, hidden=name).optimiser for name in ("muon", "adamw"))
    assert isinstance(muon, MuonWithAdamW)
    assert isinstance(adamw, AdamW)
    assert [group["lr"] for group in muon.param_groups] == [group["lr"] for group in adamw.param_groups]


def test_resumed_beyond_its_end_the_rate_stays_zero():
    assert rates(modern(nn.Linear(2, 2), 4, lr=0.1), 8)[5:] == pytest.approx([0, 0, 0], abs=1e-12)


@pytest.mark.parametrize("plan", [modern, published])
def test_localiser_learns_at_its_own_rate(plan):
    model = st_cnn((28, 28), width=4)
    base, localiser, regression = plan(model, 10, lr=0.1, localiser_lr_scale=0.5).optimiser.param_groups
    assert localiser["lr"] == regression["lr"] == pytest.approx(0.5 * base["lr"])
    assert [len(group["params"]) for group in (base, localiser, regression)] == [6, 6, 2]


def test_the_regression_layer_learns_at_a_rate_of_its_own():
    plan = modern(st_cnn((28, 28), width=4), 10, lr=0.1, localiser_lr_scale=0.5, regression_lr_scale=4.0)
    base, localiser, regression = plan.optimiser.param_groups
    assert localiser["lr"] == pytest.approx(0.5 * base["lr"])
    assert regression["lr"] == pytest.approx(2 * base["lr"])


@pytest.mark.parametrize("plan", [modern, published])
def test_without_a_transformer_there_is_one_group(plan):
    (group,) = plan(CNN((28, 28), width=4), 10).optimiser.param_groups
    assert len(group["params"]) == 6
