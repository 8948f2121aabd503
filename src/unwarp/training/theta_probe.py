"""Watching what the spatial transformers of a network predict."""

from collections.abc import Callable, Iterable
from typing import cast

from torch import Tensor, nn

from unwarp.nn import AbstractSpatialTransformer

__all__ = ["ThetaProbe", "transformers"]


def transformers(model: nn.Module) -> dict[str, AbstractSpatialTransformer]:
    """The spatial transformers inside a network, by the name of their place in it."""
    modules = cast(Iterable[tuple[str, nn.Module]], model.named_modules())
    return {name: module for name, module in modules if isinstance(module, AbstractSpatialTransformer)}


class ThetaProbe:
    """Keeps the last theta that each spatial transformer of a network predicted.

    Attributes:
        last: place of a transformer -> its last theta, detached, ``(batch, *theta_shape)``, or ``(batch, k,
            *theta_shape)`` for k warps an image; empty at first.
    """

    def __init__(self, model: nn.Module) -> None:
        self.last: dict[str, Tensor] = {}
        for name, transformer in transformers(model).items():
            transformer.thetas.register_forward_hook(self._keeper(name))

    def describe(self) -> str:
        """One sentence a transformer: the range of its last theta."""
        return " ".join(_range(name, theta) for name, theta in self.last.items()) or "There is no transformer in it."

    def _keeper(self, name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def keep(_module: nn.Module, _inputs: tuple[Tensor, ...], theta: Tensor) -> None:
            self.last[name] = theta.detach()

        return keep


def _range(name: str, theta: Tensor) -> str:
    finite = theta[theta.isfinite()]
    wrong = theta.numel() - finite.numel()
    found = f"from {finite.min():.3g} to {finite.max():.3g}" if finite.numel() else "without a finite value"
    return f"theta of {name!r} was {found}" + (f", {wrong} of {theta.numel()} values not finite." if wrong else ".")
