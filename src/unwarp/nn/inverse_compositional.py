"""Transformers that look several times and add up what they see (Lin & Lucey 2017)."""

from typing import Unpack

import torch
from torch import Tensor, nn

from unwarp import _checks, coordinates
from unwarp._typing import Float, Size
from unwarp.nn.abstract_transformer import AbstractSpatialTransformer
from unwarp.nn.initialisation import regression_layer
from unwarp.nn.localisation import features_of, inputs_of, regress, width_of
from unwarp.nn.sampler import Sampler, SamplingOptions
from unwarp.transforms import AbstractTransform


class InverseCompositionalTransformer(AbstractSpatialTransformer):
    """Refines theta in several steps, each seen on the image as warped so far (Lin & Lucey 2017).

    Step i predicts a small theta_i from the image warped by all before it, and the map becomes
    ``T_i = T_(i-1) o T_(theta_i)``. Every warp is of the original, by the composed theta: nothing is cut off or blurred
    on the way, where transformers in a row resample what the one before has left. The localiser is shared by all steps.

    The gradient of theta passes through every step; the authors' rate for the localiser is 1/100 of that of a plain
    transformer (see `parameter_groups`).

    Convention: as `SpatialTransformer`. The localiser sees images of the input's size, the output may have another.

    Args:
        localiser: network from an image of the input's size to features.
        transform: a family closed under composition, or its name: the matrix families.
        size: spatial size of the output; the input's own by default.
        steps: number of predictions; 1 is a plain spatial transformer.
        features: number of features, as in `SpatialTransformer`.
        sampling: as in `unwarp.sample`: mode, padding_mode, fill_value, align_corners, antialias, backend.

    Raises:
        UnsupportedError: two maps of the family do not compose to a third.

    Examples:
        >>> transformer = InverseCompositionalTransformer(ConvLocaliser(1, 28), "projective", steps=4)
        >>> digits = torch.rand(2, 1, 28, 28)
        >>> torch.equal(transformer(digits), digits)
        True
    """

    def __init__(
        self,
        localiser: nn.Module,
        transform: str | AbstractTransform = "affine",
        size: Size | None = None,
        *,
        steps: int = 4,
        features: int | None = None,
        **sampling: Unpack[SamplingOptions],
    ) -> None:
        super().__init__(transform, size, Sampler(**sampling))
        identity = self.transform.identity()
        self.transform.compose(identity, identity)  # a family that cannot is refused here
        self.steps = _checks.count("steps", steps)
        self.localiser = localiser
        self.regression = regression_layer(width_of(localiser, features), self.transform, 1)

    def predict(self, x: Float[Tensor, "batch channels *in"]) -> Float[Tensor, "batch *theta"]:
        return self.trajectory(x)[:, -1]

    def trajectory(self, x: Float[Tensor, "batch channels *in"]) -> Float[Tensor, "batch steps *theta"]:
        """The composed theta after each step."""
        thetas = [self._step(x)]
        for _ in range(1, self.steps):
            seen = self.sampler.warp(x, thetas[-1], self.transform, None)
            step = self._step(seen)  # as the first one, under autocast where there is any
            with coordinates.full_precision(x.device):
                thetas.append(self.transform.compose(thetas[-1], step))
        return torch.stack(thetas, dim=1)

    def _step(self, seen: Tensor) -> Float[Tensor, "batch *theta"]:
        features = features_of(self.localiser, seen, inputs_of(self.regression))
        return regress(self.regression, features, self.transform.theta_shape)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, steps={self.steps}"
