"""An experiment: a name, its settings and a label that tells which settings."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unwarp.experiments.catalog import named
from unwarp.experiments.config import ExperimentConfig

__all__ = ["Experiment", "choose", "custom_label"]


@dataclass(frozen=True)
class Experiment:
    """What to run.

    Attributes:
        name: in the catalogue.
        label: the budget; ``custom-`` and a digest of the settings where some were changed.
        config: every setting.
    """

    name: str
    label: str
    config: ExperimentConfig


def choose(name: str, assignments: Sequence[str] = (), *, budget: str = "standard") -> Experiment:
    """Look an experiment up and change some of its settings.

    Args:
        name: in the catalogue.
        assignments: ``section.key=value`` each.
        budget: how long to train; assignments go before it.

    Raises:
        OptionError: the name, the budget or a key is unknown, or a value does not fit.

    Examples:
        >>> choose("mnist-rts/st-cnn-affine", ["training.epochs=3"]).config.training.epochs
        3
    """
    values = named(name, budget=budget)
    plain, config = ExperimentConfig.read(values), ExperimentConfig.read(values, assignments)
    return Experiment(name, budget if config == plain else custom_label(config.values()), config)


def custom_label(values: Mapping[str, Any]) -> str:
    """The label of settings that no budget has: ``custom-`` and a digest."""
    return f"custom-{hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]}"
