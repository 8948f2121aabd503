"""Muon for the weights of hidden layers, AdamW for everything else, as one optimiser (Jordan et al. 2024)."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Muon, Optimizer

__all__ = ["MuonWithAdamW"]

_SMALLEST = 20
"""Rows and columns of a weight that counts as a hidden layer's; what reads the last features into a few has fewer."""


class MuonWithAdamW(Optimizer):
    """Steps of the same length along every direction of a hidden layer's weight, however small its gradient there.

    Muon replaces the momentum of a weight matrix by the nearest orthogonal matrix, and scales the step to the length
    that AdamW's would have, so that both go by one learning rate. The filters of a convolution are the rows of one
    matrix.

    It takes the weights with at least 20 rows and columns, but none of a group called ``"regression"``: that layer has
    to learn theta at a scale of its own. AdamW takes the others, and all biases.

    Args:
        groups: of parameters, as `unwarp.nn.parameter_groups` makes them.
        lr: learning rate of the groups without one of their own.
        weight_decay: of both, decoupled from the gradient.
    """

    def __init__(self, groups: Iterable[Mapping[str, Any]], lr: float, *, weight_decay: float = 0.0) -> None:
        super().__init__([dict(group) for group in groups], {"lr": lr})
        self._matrices: dict[Tensor, nn.Parameter] = {}
        matrices: list[list[Tensor]] = []
        others: list[list[Tensor]] = []
        for group in self.param_groups:
            params: list[Tensor] = group["params"]
            hidden = [] if group.get("name") == "regression" else [p for p in params if _is_hidden(p)]
            self._matrices.update({weight: _folded(weight) for weight in hidden})
            matrices.append([self._matrices[weight] for weight in hidden])
            others.append([p for p in params if p not in self._matrices])
        self._inner: list[tuple[Optimizer, list[int]]] = []
        self._add(lambda chosen: Muon(chosen, lr, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"), matrices)
        self._add(lambda chosen: AdamW(chosen, lr, weight_decay=weight_decay), others)

    def _add(self, make: Callable[[list[dict[str, Any]]], Optimizer], params: list[list[Tensor]]) -> None:
        """Set up one of the two, for the groups of which it has parameters."""
        chosen = [index for index, found in enumerate(params) if found]
        if chosen:
            self._inner.append((make([{"params": params[index]} for index in chosen]), chosen))

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # noqa: ANN401 - whatever the closure returns
        """Take one step, after the closure where there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for weight, matrix in self._matrices.items():
            matrix.copy_(weight.flatten(1))
            matrix.grad = None if weight.grad is None else weight.grad.flatten(1)
        for optimiser, indices in self._inner:
            for group, index in zip(optimiser.param_groups, indices, strict=True):
                group["lr"] = self.param_groups[index]["lr"]
            optimiser.step()
        for weight, matrix in self._matrices.items():
            weight.copy_(matrix.view_as(weight))
        return loss

    def state_dict(self) -> dict[str, Any]:
        """The rates, and what both optimisers remember."""
        return {**super().state_dict(), "inner": [optimiser.state_dict() for optimiser, _ in self._inner]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a `state_dict`."""
        inner = state_dict["inner"]
        super().load_state_dict({name: value for name, value in state_dict.items() if name != "inner"})
        for (optimiser, _), state in zip(self._inner, inner, strict=True):
            optimiser.load_state_dict(state)


def _is_hidden(parameter: Tensor) -> bool:
    return parameter.ndim >= 2 and min(parameter.shape[0], parameter[0].numel()) >= _SMALLEST


def _folded(weight: Tensor) -> nn.Parameter:
    """A copy with one row for each output: Muon knows matrices alone."""
    return nn.Parameter(weight.detach().flatten(1).clone())
