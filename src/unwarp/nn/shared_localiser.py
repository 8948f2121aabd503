"""A localiser that looks through the classifier's eyes (Finnveden, Jansson & Lindeberg 2020)."""

from torch import Tensor, nn

from unwarp._typing import Float
from unwarp.errors import OptionError, UnsupportedError


class SharedLocaliser(nn.Module):
    """Features of the classifier's own first layers, looped back to warp the classifier's input.

    A transformer on deep feature maps cannot undo a rotation or scaling of the input, since that also permutes
    channels; one on the input can, but a deep localiser of its own is hard to train. Sharing the classifier's layers
    gives it deep features that are trained anyway (Finnveden, Jansson & Lindeberg 2020).

    The shared layers stay the classifier's: they are not in this module's parameters, state dict or optimiser group,
    follow its ``.to()`` and ``.train()``, and run twice, on the input and on what it was warped to. Train on several
    devices by `torch.nn.parallel.DistributedDataParallel` or Lightning: replicas of `torch.nn.DataParallel` would share
    the layers of the first device.

    Args:
        layers: the shared layers, part of the network that the transformer stands in.
        head: what comes between them and the regression layer; by default nothing.
        gradient_scale: factor on the gradient that theta sends into the shared layers: 1 trains them for both ends, 0
            for the classifier alone.

    Attributes:
        layers: the shared layers.

    Raises:
        OptionError: the factor is negative or not finite.
        UnsupportedError: at the call, in a replica of `torch.nn.DataParallel`.

    Examples:
        >>> layers = nn.Sequential(nn.Conv2d(1, 8, 5), nn.ReLU(), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(288, 32))
        >>> localiser = SharedLocaliser(layers)
        >>> network = nn.Sequential(SpatialTransformer(localiser, "affine", features=32), layers, nn.Linear(32, 10))
        >>> network(torch.rand(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """

    def __init__(self, layers: nn.Module, head: nn.Module | None = None, *, gradient_scale: float = 1.0) -> None:
        super().__init__()
        if not 0 <= gradient_scale < float("inf"):
            raise OptionError(
                f"gradient_scale: expected a finite number of at least 0, got {gradient_scale!r}. "
                "Use 0 to train the shared layers for the classifier alone."
            )
        self._layers = (layers,)  # in a tuple, or they would become this module's own
        self.head = nn.Identity() if head is None else head
        self.gradient_scale = gradient_scale

    @property
    def layers(self) -> nn.Module:
        return self._layers[0]

    def forward(self, x: Float[Tensor, "batch channels *in"]) -> Tensor:
        if getattr(self, "_is_replica", False):  # set by torch.nn.DataParallel, which renews submodules alone
            raise UnsupportedError(
                "SharedLocaliser: expected the network itself, got a replica of torch.nn.DataParallel, whose shared "
                "layers are on the first device. Use torch.nn.parallel.DistributedDataParallel, or Lightning."
            )
        found: Tensor = self.layers(x)
        kept = found.detach()
        return self.head(kept + self.gradient_scale * (found - kept))  # the same values, the gradient scaled

    def extra_repr(self) -> str:
        return f"layers={type(self.layers).__name__}, gradient_scale={self.gradient_scale}"
