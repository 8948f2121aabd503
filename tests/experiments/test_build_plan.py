"""From a recipe to an optimiser."""

import pytest
from torch.optim import SGD, AdamW

from unwarp.experiments.build import build_plan
from unwarp.experiments.config import TrainingConfig
from unwarp.models import CNN
from unwarp.training.muon import MuonWithAdamW


@pytest.mark.parametrize(("recipe", "optimiser"), [("modern", AdamW), ("muon", MuonWithAdamW), ("published", SGD)])
def test_each_recipe_has_its_optimiser(recipe, optimiser):
    config = TrainingConfig(recipe=recipe, lr=0.01, warmup=0.0)
    plan = build_plan(config)(CNN((28, 28), width=4), 10)
    assert type(plan.optimiser) is optimiser
    assert plan.optimiser.param_groups[0]["lr"] == pytest.approx(0.01)
