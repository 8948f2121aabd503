"""Optimisers with the learning-rate schedule that belongs to them: the paper's, and one that needs far fewer steps."""

import math
from typing import Any, Literal, NamedTuple

from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, StepLR

from unwarp.nn import parameter_groups
from unwarp.training.muon import MuonWithAdamW
from unwarp.training.theta_probe import transformers

__all__ = ["Plan", "modern", "published"]


class Plan(NamedTuple):
    """An optimiser and the schedule of its learning rates, advanced once a training step."""

    optimiser: Optimizer
    schedule: LambdaLR | StepLR


def published(
    model: nn.Module, steps: int, *, lr: float = 0.01, drops: int = 3, localiser_lr_scale: float = 1.0
) -> Plan:
    """Plain stochastic gradient descent whose learning rate falls to a tenth in equal stages (appendix A.4).

    The paper trains for 150,000 steps of 256 images with a base rate of 0.01, a tenth of it every 50,000 steps; no
    momentum is mentioned, and no weight decay, dropout or other rate for the localiser is used.

    Args:
        model: to train.
        steps: of the whole training.
        lr: learning rate of the first stage.
        drops: how many stages the training is divided into.
        localiser_lr_scale: factor on the learning rate of the localisers.
    """
    optimiser = SGD(_groups(model, lr, localiser_lr_scale), lr)
    return Plan(optimiser, StepLR(optimiser, step_size=max(1, math.ceil(steps / drops)), gamma=0.1))


def modern(
    model: nn.Module,
    steps: int,
    *,
    lr: float = 0.003,
    weight_decay: float = 0.0,
    warmup: float = 0.05,
    localiser_lr_scale: float = 1.0,
    regression_lr_scale: float = 1.0,
    hidden: Literal["adamw", "muon"] = "adamw",
) -> Plan:
    """AdamW with a linear warm-up and a cosine decay to zero: as good in tens of epochs as SGD in hundreds.

    The warm-up matters for a spatial transformer: while the classifier is still random, its gradient says nothing
    about where to look, and full steps of the localiser would walk the image out of the frame.

    Args:
        model: to train.
        steps: of the whole training; the learning rate ends at zero there.
        lr: highest learning rate.
        weight_decay: of AdamW, decoupled from the gradient.
        warmup: share of the steps in which the learning rate rises linearly.
        localiser_lr_scale: factor on the learning rate of the localisers.
        regression_lr_scale: further factor on that of their regression layers.
        hidden: what takes the weights of hidden layers; ``"muon"`` needs fewer epochs, see `MuonWithAdamW`.
    """
    rising = max(1, round(warmup * steps))
    groups = _groups(model, lr, localiser_lr_scale, regression_lr_scale)
    optimiser = (MuonWithAdamW if hidden == "muon" else AdamW)(groups, lr, weight_decay=weight_decay)
    return Plan(optimiser, LambdaLR(optimiser, lambda step: _warmup_cosine(step, rising, steps)))


def _groups(
    model: nn.Module, lr: float, localiser_lr_scale: float, regression_lr_scale: float = 1.0
) -> list[dict[str, Any]]:
    if transformers(model):
        return parameter_groups(model, lr, localiser_lr_scale, regression_lr_scale=regression_lr_scale)
    return [{"name": "base", "params": list(model.parameters())}]


def _warmup_cosine(step: int, rising: int, steps: int) -> float:
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rising) / max(1, steps - rising))))
