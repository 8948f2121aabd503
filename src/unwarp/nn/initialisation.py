"""How a transformer starts, and how fast its localiser learns."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from unwarp.errors import OptionError
from unwarp.transforms import AbstractTransform


def regression_layer(
    features: int | None, transform: AbstractTransform, count: int, *, start: Tensor | None = None
) -> nn.Linear:
    """The layer that ends a localiser: zero weights, the identity as bias (section 4.2 of the paper).

    Args:
        features: inputs; ``None`` finds them at the first call.
        count: thetas an image.
        start: ``(count, *theta_shape)``, what to begin with instead of the identity.
    """
    bias = transform.start().flatten().repeat(count) if start is None else start.flatten()
    if features is None:
        return _LazyRegression(bias)
    layer = nn.Linear(features, len(bias))
    _start_at(layer, bias)
    return layer


class _LazyRegression(nn.LazyLinear):
    """Becomes an `nn.Linear` at its first call."""

    def __init__(self, bias: Tensor) -> None:
        super().__init__(len(bias))
        self._start = bias

    def reset_parameters(self) -> None:
        if self.in_features > 0:  # torch calls this once before as well, to make a layer of no inputs
            _start_at(self, self._start)


def _start_at(layer: nn.Linear, bias: Tensor) -> None:
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.copy_(bias)


def parameter_groups(
    model: nn.Module, lr: float, localiser_lr_scale: float, *, regression_lr_scale: float = 1.0
) -> list[dict[str, Any]]:
    """Optimiser groups in which the localisers learn at a rate of their own.

    A step in theta moves samples by up to half the image, so the usable rate of a localiser falls with the size of its
    input: the paper used a factor of 1 at 28 pixels, 0.1 at 64 and 1e-4 at 448. With Adam, whose steps do not grow
    with the gradient, the regression layer, which starts from zero weights, takes a higher rate than the network
    before it.

    Args:
        model: a network with any number of `SpatialTransformer` modules.
        lr: learning rate of everything else.
        localiser_lr_scale: factor on ``lr`` for the localisers and their regression layers.
        regression_lr_scale: further factor for the regression layers alone.

    Returns:
        Three groups, named ``"base"``, ``"localiser"`` and ``"regression"``, for any `torch.optim` optimiser. Each
        parameter is in one.

    Raises:
        OptionError: a rate is not positive, no localiser was found, or a lazy layer has not seen an input yet.
    """
    if not (lr > 0 and localiser_lr_scale >= 0 and regression_lr_scale >= 0):
        raise OptionError(
            f"lr, localiser_lr_scale, regression_lr_scale: expected positive numbers, got {lr!r}, "
            f"{localiser_lr_scale!r} and {regression_lr_scale!r}. Use localiser_lr_scale=1 for one rate."
        )
    parts = [part for module in model.modules() for part in _localising_parts(module)]
    if not parts:
        raise OptionError("model: expected at least one SpatialTransformer inside, got none. Use model.parameters().")
    if any(map(is_lazy, model.parameters())):
        raise OptionError("model: a lazy layer has no parameters yet. Run one batch through the model first.")
    regressing = _parameters(regression for _, regression in parts)
    localising = [one for one in _parameters(localiser for localiser, _ in parts) if one not in set(regressing)]
    known = {*regressing, *localising}
    localiser_lr = lr * localiser_lr_scale
    return [
        {"name": "base", "params": [one for one in model.parameters() if one not in known], "lr": lr},
        {"name": "localiser", "params": localising, "lr": localiser_lr},
        {"name": "regression", "params": regressing, "lr": localiser_lr * regression_lr_scale},
    ]


def _parameters(modules: Iterable[nn.Module]) -> list[nn.Parameter]:
    return list(dict.fromkeys(parameter for module in modules for parameter in module.parameters()))


def _localising_parts(module: nn.Module) -> list[tuple[nn.Module, nn.Module]]:
    """The localiser and the regression layer of a module that owns both, as `SpatialTransformer` does.

    Either may have been wrapped or replaced since.
    """
    localiser, regression = getattr(module, "localiser", None), getattr(module, "regression", None)
    return [(localiser, regression)] if isinstance(localiser, nn.Module) and isinstance(regression, nn.Module) else []
