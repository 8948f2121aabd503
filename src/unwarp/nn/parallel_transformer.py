"""Several transformers on one input."""

import math
from collections.abc import Sequence
from typing import Literal, Unpack, cast

import torch
from torch import Tensor, nn

from unwarp import _checks
from unwarp._typing import Float, Size
from unwarp.errors import OptionError
from unwarp.nn.abstract_transformer import AbstractSpatialTransformer
from unwarp.nn.initialisation import regression_layer
from unwarp.nn.localisation import features_of, inputs_of, regress, width_of
from unwarp.nn.sampler import Sampler, SamplingOptions
from unwarp.nn.tiles import tile_thetas
from unwarp.transforms import AbstractTransform

Join = Literal["concatenated", "stacked"]


class ParallelSpatialTransformer(AbstractSpatialTransformer):
    """Several warps of the same input, for inputs with several objects or parts (sections 3.4 and 4.3, appendix A.1).

    One localiser predicts all thetas, or each warp has a localiser of its own. All warps are sampled in one call, which
    does not copy the input.

    Convention: as `SpatialTransformer`; every warp takes all channels.

    Args:
        localiser: one network for all warps, or a sequence of networks, one a warp.
        transform: a transform or its name, for every warp.
        size: spatial size of each output; the input's own by default.
        count: number of warps; found from the localisers or ``tiles`` where these are given.
        join: ``"concatenated"`` gives ``(batch, k * channels, *size)``, ``"stacked"`` ``(batch, k, channels, *size)``.
        tiles: begin with crops that share the image, as many along each axis in tensor order; see `tile_thetas`. By
            default every warp begins with the identity, and what comes after tells them apart.
        features: number of features of each localiser, as in `SpatialTransformer`.
        sampling: as in `unwarp.sample`: mode, padding_mode, fill_value, align_corners, antialias, backend.

    Raises:
        OptionError: the counts do not agree, or an option does not exist.

    Examples:
        >>> halves = ParallelSpatialTransformer(ConvLocaliser(3, 64), "attention", 32, tiles=(1, 2))
        >>> halves(torch.rand(2, 3, 64, 64)).shape
        torch.Size([2, 6, 32, 32])
    """

    def __init__(
        self,
        localiser: nn.Module | Sequence[nn.Module],
        transform: str | AbstractTransform = "affine",
        size: Size | None = None,
        *,
        count: int | None = None,
        join: Join = "concatenated",
        tiles: Sequence[int] | None = None,
        features: int | None = None,
        **sampling: Unpack[SamplingOptions],
    ) -> None:
        super().__init__(transform, size, Sampler(**sampling))
        self.join: Join = _checks.option("join", join, ("concatenated", "stacked"))
        own = None if _is_network(localiser) else list(cast("Sequence[nn.Module]", localiser))
        self.count = _agreed_count(count, None if own is None else len(own), tiles)
        starts = _starts(self.transform, self.count, tiles)
        pairs = [(cast(nn.Module, localiser), starts)] if own is None else zip(own, starts[:, None], strict=True)
        self.branches = nn.ModuleList(
            _Branch(network, self.transform, width_of(network, features), start) for network, start in pairs
        )

    def predict(self, x: Float[Tensor, "batch channels *in"]) -> Float[Tensor, "batch count *theta"]:
        return torch.cat([branch(x) for branch in self.branches], dim=1)

    def joined(self, warped: Float[Tensor, "batch count channels *size"]) -> Tensor:
        return warped.flatten(1, 2) if self.join == "concatenated" else warped

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, count={self.count}, join={self.join!r}"


class _Branch(nn.Module):
    """A localiser and the regression layer that starts some of the warps."""

    def __init__(
        self, localiser: nn.Module, transform: AbstractTransform, features: int | None, start: Float[Tensor, "k *theta"]
    ) -> None:
        super().__init__()
        self.localiser = localiser
        self.regression = regression_layer(features, transform, len(start), start=start)
        self._theta_shape = tuple(start.shape)

    def forward(self, x: Tensor) -> Float[Tensor, "batch k *theta"]:
        return regress(self.regression, features_of(self.localiser, x, inputs_of(self.regression)), self._theta_shape)


def _is_network(localiser: nn.Module | Sequence[nn.Module]) -> bool:
    # A class counts as one, to be refused where its features are asked for.
    return isinstance(localiser, type | nn.Module) and not isinstance(localiser, nn.ModuleList)


def _agreed_count(count: int | None, localisers: int | None, tiles: Sequence[int] | None) -> int:
    given = {
        "count": None if count is None else _checks.count("count", count),
        "localisers": localisers,
        "tiles": None if tiles is None else math.prod(tiles),
    }
    known = {name: number for name, number in given.items() if number is not None}
    if len(set(known.values())) != 1 or 0 in known.values():
        raise OptionError(
            f"count: expected one number of warps from count, localisers and tiles, got {known}. "
            "Use count=2, a list of two localisers, or tiles=(1, 2)."
        )
    return next(iter(known.values()))


def _starts(transform: AbstractTransform, count: int, tiles: Sequence[int] | None) -> Float[Tensor, "count *theta"]:
    if tiles is not None:
        return tile_thetas(transform, tiles)
    return transform.start().expand(count, *transform.theta_shape)
