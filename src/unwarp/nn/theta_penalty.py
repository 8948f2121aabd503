"""Regularisers of every transformer in a network, gathered while it runs."""

import math
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from unwarp._typing import Float
from unwarp.errors import OptionError, TrainingError
from unwarp.nn.abstract_transformer import AbstractSpatialTransformer
from unwarp.nn.regularisers import bending_energy, folding_penalty, identity_penalty, outside_penalty
from unwarp.transforms import AbstractTransform

Regulariser = Callable[[Tensor, AbstractTransform], Tensor]

_TERMS: dict[str, Regulariser] = {
    "outside": outside_penalty,
    "identity": identity_penalty,
    "bending": bending_energy,
    "folding": folding_penalty,
}


class ThetaPenalty:
    """A weighted sum of regularisers over the transformers of a network: one more term of the loss.

    It keeps the theta that each transformer predicted in the last forward pass with gradients, wherever in the network
    it stands, and gives the penalty of all of them when it is called. A copy of the network, or of the penalty, begins
    without any theta.

    Args:
        model: a network with any number of spatial transformers.
        weights: one or more of ``outside``, ``identity``, ``bending`` and ``folding``: see `outside_penalty`,
            `identity_penalty`, `bending_energy`, `folding_penalty`.

    Raises:
        OptionError: there is no such regulariser, no weight, or no transformer in the network.
        UnsupportedError: ``bending`` for a family that is no thin-plate spline.

    Examples:
        >>> transformer = SpatialTransformer(ConvLocaliser(1, 28), "affine")
        >>> network = nn.Sequential(transformer, nn.Flatten(), nn.Linear(784, 10))
        >>> penalty = ThetaPenalty(network, outside=1.0, identity=0.01)
        >>> loss = network(torch.rand(2, 1, 28, 28)).square().mean() + penalty()
    """

    def __init__(self, model: nn.Module, **weights: float) -> None:
        self._weights = _checked(weights)
        self._transforms: dict[str, AbstractTransform] = {}
        self._last: dict[str, Tensor] = {}
        self._missed: set[str] = set()
        for name, module in cast("Iterable[tuple[str, nn.Module]]", model.named_modules()):
            if isinstance(module, AbstractSpatialTransformer):
                self._watch(name, module)
        if not self._transforms:
            raise OptionError("model: expected at least one spatial transformer inside, got none.")

    def __call__(self) -> Float[Tensor, ""]:
        """The penalty of the last forward pass.

        Raises:
            TrainingError: the network has not run, with gradients, since the last call.
        """
        if not self._last:
            raise TrainingError(
                "penalty: no theta since the last call. Run the network, with gradients, before it, and checkpoint "
                "activations, if at all, with use_reentrant=False."
            )
        if self._missed:
            warnings.warn(
                f"penalty: the transformers at {sorted(self._missed)} ran without gradients in training and are left "
                "out. Checkpoint activations, if that is why, with use_reentrant=False.",
                stacklevel=2,
            )
        terms = [
            weight * _TERMS[name](theta, self._transforms[place])
            for place, theta in self._last.items()
            for name, weight in self._weights.items()
        ]
        self._last.clear()
        self._missed.clear()
        return torch.stack(terms).sum()

    def __getstate__(self) -> dict[str, Any]:
        # The network's hooks hold this object, so that a copy of the network copies it too; a theta with a graph behind
        # it can neither be copied nor pickled.
        return {**self.__dict__, "_last": {}, "_missed": set()}

    def _watch(self, place: str, transformer: AbstractSpatialTransformer) -> None:
        if "bending" in self._weights:
            bending_energy(transformer.transform.start()[None], transformer.transform)  # refused here, not in training
        self._transforms[place] = transformer.transform
        transformer.thetas.register_forward_hook(partial(self._keep, place))

    def _keep(self, place: str, module: nn.Module, _inputs: tuple[Tensor, ...], theta: Tensor) -> None:
        if torch._C._current_graph_task_id() != -1:  # pyright: ignore
            return  # activation checkpointing runs the network once more in the backward pass
        if theta.requires_grad:
            self._last[place] = theta
            self._missed.discard(place)
        elif module.training and not torch.is_grad_enabled() and place not in self._last:
            self._missed.add(place)


def _checked(weights: dict[str, float]) -> dict[str, float]:
    unknown = [name for name in weights if name not in _TERMS]
    if unknown or not weights or not all(0 <= weight < math.inf for weight in weights.values()):
        raise OptionError(
            f"weights: expected one or more of {', '.join(_TERMS)}, each a finite number of at least 0, got {weights}. "
            "Use ThetaPenalty(model, outside=1.0)."
        )
    return weights
