"""Every experiment that has a name."""

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

from unwarp._checks import nearest_names, option
from unwarp.errors import OptionError
from unwarp.experiments.settings import override

__all__ = ["BUDGETS", "CATALOG", "named"]

CATALOG: dict[str, str] = {
    "mnist-r/fcn": "mnist-r/fcn.toml",
    "mnist-r/cnn": "mnist-r/cnn.toml",
    "mnist-r/st-fcn-affine": "mnist-r/st-fcn-affine.toml",
    "mnist-r/st-fcn-projective": "mnist-r/st-fcn-projective.toml",
    "mnist-r/st-fcn-tps": "mnist-r/st-fcn-tps.toml",
    "mnist-r/st-cnn-affine": "mnist-r/st-cnn-affine.toml",
    "mnist-r/st-cnn-projective": "mnist-r/st-cnn-projective.toml",
    "mnist-r/st-cnn-tps": "mnist-r/st-cnn-tps.toml",
    "mnist-rts/fcn": "mnist-rts/fcn.toml",
    "mnist-rts/cnn": "mnist-rts/cnn.toml",
    "mnist-rts/st-fcn-affine": "mnist-rts/st-fcn-affine.toml",
    "mnist-rts/st-fcn-projective": "mnist-rts/st-fcn-projective.toml",
    "mnist-rts/st-fcn-tps": "mnist-rts/st-fcn-tps.toml",
    "mnist-rts/st-cnn-affine": "mnist-rts/st-cnn-affine.toml",
    "mnist-rts/st-cnn-projective": "mnist-rts/st-cnn-projective.toml",
    "mnist-rts/st-cnn-tps": "mnist-rts/st-cnn-tps.toml",
    "mnist-p/fcn": "mnist-p/fcn.toml",
    "mnist-p/cnn": "mnist-p/cnn.toml",
    "mnist-p/st-fcn-affine": "mnist-p/st-fcn-affine.toml",
    "mnist-p/st-fcn-projective": "mnist-p/st-fcn-projective.toml",
    "mnist-p/st-fcn-tps": "mnist-p/st-fcn-tps.toml",
    "mnist-p/st-cnn-affine": "mnist-p/st-cnn-affine.toml",
    "mnist-p/st-cnn-projective": "mnist-p/st-cnn-projective.toml",
    "mnist-p/st-cnn-tps": "mnist-p/st-cnn-tps.toml",
    "mnist-e/fcn": "mnist-e/fcn.toml",
    "mnist-e/cnn": "mnist-e/cnn.toml",
    "mnist-e/st-fcn-affine": "mnist-e/st-fcn-affine.toml",
    "mnist-e/st-fcn-projective": "mnist-e/st-fcn-projective.toml",
    "mnist-e/st-fcn-tps": "mnist-e/st-fcn-tps.toml",
    "mnist-e/st-cnn-affine": "mnist-e/st-cnn-affine.toml",
    "mnist-e/st-cnn-projective": "mnist-e/st-cnn-projective.toml",
    "mnist-e/st-cnn-tps": "mnist-e/st-cnn-tps.toml",
    "mnist-tc/fcn": "mnist-tc/fcn.toml",
    "mnist-tc/cnn": "mnist-tc/cnn.toml",
    "mnist-tc/st-fcn-affine": "mnist-tc/st-fcn-affine.toml",
    "mnist-tc/st-fcn-projective": "mnist-tc/st-fcn-projective.toml",
    "mnist-tc/st-fcn-tps": "mnist-tc/st-fcn-tps.toml",
    "mnist-tc/st-cnn-affine": "mnist-tc/st-cnn-affine.toml",
    "mnist-tc/st-cnn-projective": "mnist-tc/st-cnn-projective.toml",
    "mnist-tc/st-cnn-tps": "mnist-tc/st-cnn-tps.toml",
    "mnist-crops/cnn": "mnist-crops/cnn.toml",
    "mnist-t84/co-localiser": "mnist-t84/co-localiser.toml",
    "mnist-tc84/co-localiser": "mnist-tc84/co-localiser.toml",
    "mnist-addition/fcn": "mnist-addition/fcn.toml",
    "mnist-addition/cnn": "mnist-addition/cnn.toml",
    "mnist-addition/st-fcn-affine": "mnist-addition/st-fcn-affine.toml",
    "mnist-addition/st-fcn-projective": "mnist-addition/st-fcn-projective.toml",
    "mnist-addition/st-fcn-tps": "mnist-addition/st-fcn-tps.toml",
    "mnist-addition/2xst-fcn-affine": "mnist-addition/2xst-fcn-affine.toml",
    "mnist-addition/2xst-fcn-projective": "mnist-addition/2xst-fcn-projective.toml",
    "mnist-addition/2xst-fcn-tps": "mnist-addition/2xst-fcn-tps.toml",
    "mnist-3d/cnn": "mnist-3d/cnn.toml",
    "mnist-3d/st-cnn-affine": "mnist-3d/st-cnn-affine.toml",
    "mnist-sequences/cnn": "mnist-sequences/cnn.toml",
    "mnist-sequences/recurrent-st-cnn-affine": "mnist-sequences/recurrent-st-cnn-affine.toml",
    "mnist-r/ic-st-cnn-affine": "mnist-r/ic-st-cnn-affine.toml",
    "mnist-r/shared-st-cnn-affine": "mnist-r/shared-st-cnn-affine.toml",
    "mnist-r/st-cnn-diffeomorphic": "mnist-r/st-cnn-diffeomorphic.toml",
    "mnist-rts/ic-st-cnn-affine": "mnist-rts/ic-st-cnn-affine.toml",
    "mnist-rts/shared-st-cnn-affine": "mnist-rts/shared-st-cnn-affine.toml",
    "mnist-rts/st-cnn-diffeomorphic": "mnist-rts/st-cnn-diffeomorphic.toml",
    "mnist-p/ic-st-cnn-projective": "mnist-p/ic-st-cnn-projective.toml",
    "mnist-p/shared-st-cnn-affine": "mnist-p/shared-st-cnn-affine.toml",
    "mnist-p/st-cnn-diffeomorphic": "mnist-p/st-cnn-diffeomorphic.toml",
    "mnist-e/ic-st-cnn-affine": "mnist-e/ic-st-cnn-affine.toml",
    "mnist-e/shared-st-cnn-affine": "mnist-e/shared-st-cnn-affine.toml",
    "mnist-e/st-cnn-diffeomorphic": "mnist-e/st-cnn-diffeomorphic.toml",
    "lines/crnn": "lines/crnn.toml",
    "lines/st-crnn-affine": "lines/st-crnn-affine.toml",
    "lines/st-crnn-tps": "lines/st-crnn-tps.toml",
}
"""Name of an experiment -> its settings, a file under ``configs/``."""

BUDGETS: dict[str, dict[str, Any]] = {
    "quick": {"training.epochs": 5},
    "standard": {},
    "paper": {
        "data.batch_size": 256,
        "data.bend": 0.0,
        "training.recipe": "published",
        "training.steps": 150_000,
        "training.epochs": 20,  # the default: steps go before it
        "training.lr": 0.01,
        "training.weight_decay": 0.0,
        "training.warmup": 0.0,
        "training.label_smoothing": 0.0,
        "training.clip": 0.0,
        "training.localiser_lr_scale": 1.0,
        "training.regression_lr_scale": 1.0,
        "training.outside_penalty": 0.0,
    },
}
"""How long to train -> the settings this changes; ``paper`` is the schedule of appendix A.4.

A section of that name in an experiment's own file changes more: there ``paper`` is nearer to the published network.
"""


def named(name: str, *, budget: str = "standard") -> dict[str, Any]:
    """The settings of an experiment.

    Args:
        name: for example ``"mnist-rts/st-cnn-affine"``.
        budget: how long to train.

    Raises:
        OptionError: there is no such experiment or budget. The message names the nearest, or what there is.
    """
    option("budget", budget, tuple(BUDGETS))
    if name not in CATALOG:
        hint = nearest_names(name, CATALOG) or " `unwarp train --list` prints all names."
        if Path(name).is_dir():
            hint = f" For the pictures in this folder: unwarp train folder/{name}"
        raise OptionError(f"experiment: there is none called {name!r} among {len(CATALOG)}.{hint}")
    values = tomllib.loads((files("unwarp.experiments") / "configs" / CATALOG[name]).read_text(encoding="utf-8"))
    own = {each: values.pop(each, {}) for each in BUDGETS}
    return override(values, {**BUDGETS[budget], **own[budget]})
