"""Transformers that look at one thing after another (Sønderby et al. 2015)."""

from typing import Unpack

import torch
from torch import Tensor, nn

from unwarp import _checks
from unwarp._typing import Float, Size
from unwarp.errors import OptionError
from unwarp.nn.abstract_transformer import AbstractSpatialTransformer
from unwarp.nn.initialisation import regression_layer
from unwarp.nn.localisation import features_of, regress, width_of
from unwarp.nn.sampler import Sampler, SamplingOptions
from unwarp.transforms import AbstractTransform


class RecurrentSpatialTransformer(AbstractSpatialTransformer):
    """A sequence of glimpses of one input: a GRU emits one theta a step (Sønderby et al. 2015).

    The localiser sees the input once; the GRU gets its features at every step and remembers where it has looked. All
    glimpses are sampled in one call, which does not copy the input.

    Convention: as `SpatialTransformer`.

    Args:
        localiser: network from the input to features; its attribute ``out_features``, or ``features``, says how many.
        transform: a transform or its name.
        size: spatial size of each glimpse; the input's own by default.
        steps: number of glimpses.
        hidden: units of the GRU; the paper has 256.
        features: number of features the localiser returns.
        sampling: as in `unwarp.sample`: mode, padding_mode, fill_value, align_corners, antialias, backend.

    Returns (``forward``):
        ``(batch, steps, channels, *size)``; ``flatten(0, 1)`` for a classifier of single glimpses.

    Raises:
        OptionError: the number of features is not known, or an option does not exist.

    Examples:
        >>> glimpses = RecurrentSpatialTransformer(ConvLocaliser(1, 100), "affine", 33, steps=3)
        >>> glimpses(torch.rand(2, 1, 100, 100)).shape
        torch.Size([2, 3, 1, 33, 33])
    """

    def __init__(
        self,
        localiser: nn.Module,
        transform: str | AbstractTransform = "affine",
        size: Size | None = None,
        *,
        steps: int = 3,
        hidden: int = 256,
        features: int | None = None,
        **sampling: Unpack[SamplingOptions],
    ) -> None:
        super().__init__(transform, size, Sampler(**sampling))
        width = width_of(localiser, features)
        if width is None:
            raise OptionError("features: expected the number that the localiser returns, got None. Use features=128.")
        self.localiser = _Recurrence(localiser, width, _checks.count("hidden", hidden), _checks.count("steps", steps))
        self.regression = regression_layer(hidden, self.transform, 1)

    def predict(self, x: Float[Tensor, "batch channels *in"]) -> Float[Tensor, "batch steps *theta"]:
        return regress(self.regression, self.localiser(x), self.transform.theta_shape)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, steps={self.localiser.steps}"


class _Recurrence(nn.Module):
    """A network and the GRU behind it, which gets the same features at every step."""

    def __init__(self, network: nn.Module, features: int, hidden: int, steps: int) -> None:
        super().__init__()
        self.network = network
        self.cell = nn.GRUCell(features, hidden)
        self.steps = steps

    def forward(self, x: Tensor) -> Float[Tensor, "batch steps hidden"]:
        features = features_of(self.network, x, self.cell.input_size)
        states: list[Tensor] = []
        state = features.new_zeros(len(features), self.cell.hidden_size)  # the cell's own default knows no vmap
        for _ in range(self.steps):
            state = self.cell(features, state)
            states.append(state)
        return torch.stack(states, dim=1)
