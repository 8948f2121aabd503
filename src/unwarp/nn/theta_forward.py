"""A network whose head also knows where its transformer looked."""

import torch
from torch import Tensor, nn

from unwarp._typing import Float
from unwarp.nn.abstract_transformer import AbstractSpatialTransformer


class ThetaForward(nn.Module):
    """Feeds theta forward: ``head([body(warped), theta - start])``.

    A transformer removes pose; where a task needs it (a 6 or a 9, the place of an object) the rest of the network can
    have it back from theta (Jaderberg et al. 2015, section 3.4). Theta is given as its distance from the transform's
    start, so that a new head sees zeros.

    Args:
        transformer: any spatial transformer.
        body: network from the warped input to features; its result is flattened.
        head: network from the features of the body and the numbers of theta, side by side.
        detach: keep the head from training the localiser through theta itself.

    Examples:
        >>> transformer = SpatialTransformer(ConvLocaliser(1, 28), "affine")
        >>> network = ThetaForward(transformer, nn.Flatten(), nn.Linear(784 + 6, 10))
        >>> network(torch.rand(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self, transformer: AbstractSpatialTransformer, body: nn.Module, head: nn.Module, *, detach: bool = False
    ) -> None:
        super().__init__()
        self.transformer = transformer
        self.body = body
        self.head = head
        self.detach = detach

    def forward(self, x: Float[Tensor, "batch channels *in"]) -> Tensor:
        """What the head makes of the warped input and theta."""
        warped, theta = self.transformer(x, return_theta=True)
        features = self.body(warped).flatten(1)
        return self.head(torch.cat([features, self._moved(theta).to(features.dtype)], dim=1))

    def _moved(self, theta: Tensor) -> Float[Tensor, "batch numbers"]:
        known = theta.detach() if self.detach else theta
        return (known - self.transformer.transform.start(dtype=theta.dtype, device=theta.device)).flatten(1)
