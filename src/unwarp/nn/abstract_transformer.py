"""What every spatial transformer is: a theta predicted from the input, and one warp of that input."""

from abc import abstractmethod
from typing import Literal, overload

from torch import Tensor, nn

from unwarp import _checks, transforms
from unwarp._typing import Float, Size
from unwarp.nn.sampler import Sampler
from unwarp.transforms import AbstractTransform


class AbstractSpatialTransformer(nn.Module):
    """Predicts theta, then samples the input once.

    Attributes:
        transform: the family of theta.
        size: spatial size of the output; ``None`` for the input's own.
        sampler: how samples are taken.
        thetas: every theta passes through this module on its way to the sampler. A forward hook on it sees them all.
    """

    def __init__(self, transform: str | AbstractTransform, size: Size | None, sampler: Sampler) -> None:
        super().__init__()
        # An object may have any number of dimensions; which one the image must have is found at the call.
        self.transform = transform if isinstance(transform, AbstractTransform) else transforms.create(transform, ndim=2)
        self.size = None if size is None else _checks.size(size, self.transform.ndim)
        self.sampler = sampler
        self.thetas = nn.Identity()

    @abstractmethod
    def predict(self, x: Float[Tensor, "batch channels *in"]) -> Float[Tensor, "batch *theta"]:
        """The theta of an input, before `thetas` lets it be seen."""

    def localise(self, x: Float[Tensor, "batch channels *in"]) -> Float[Tensor, "batch *theta"]:
        """Predict theta: ``(batch, *theta_shape)``, or ``(batch, k, *theta_shape)`` for k warps an image."""
        return self.thetas(self.predict(x))

    def localising_parameters(self) -> list[nn.Parameter]:
        """Parameters of what predicts theta: all but those of the transform and the sampler."""
        others = {*self.transform.parameters(), *self.sampler.parameters()}
        return [parameter for parameter in self.parameters() if parameter not in others]

    @overload
    def forward(self, x: Tensor, *, return_theta: Literal[False] = False) -> Tensor: ...
    @overload
    def forward(self, x: Tensor, *, return_theta: Literal[True]) -> tuple[Tensor, Tensor]: ...
    def forward(
        self, x: Float[Tensor, "batch channels *in"], *, return_theta: bool = False
    ) -> Float[Tensor, "batch *k out *size"] | tuple[Tensor, Tensor]:
        """Warp ``x``; with ``return_theta`` also return theta."""
        theta = self.localise(x)
        warped = self.joined(self.sampler.warp(x, theta, self.transform, self.size))
        return (warped, theta) if return_theta else warped

    def joined(self, warped: Tensor) -> Tensor:
        """How several warps of an image are returned: as they are, ``(batch, k, channels, *size)``."""
        return warped

    def extra_repr(self) -> str:
        return f"size={self.size}"
