"""From an input to theta: features by a localiser, numbers by a regression layer."""

import torch
from torch import Tensor, nn

from unwarp import _checks, coordinates
from unwarp._typing import Float
from unwarp.errors import OptionError, ShapeError


def features_of(localiser: nn.Module, x: Tensor, expected: int) -> Float[Tensor, "batch features"]:
    """What a localiser finds in an input, as one vector an image.

    Args:
        expected: features that the layer behind it takes; 0 for a lazy layer that has not seen an input yet.

    Raises:
        DtypeError, ShapeError: the localiser returns no floating-point tensor, or another number of features.
    """
    found = localiser(x)
    _checks.floating("localiser", found)
    flat = found.flatten(1) if found.ndim > 1 else found[:, None]
    if expected not in (0, flat.shape[1]):
        raise ShapeError(
            f"localiser: expected {expected} features an image, got {flat.shape[1]} for an input of "
            f"{tuple(x.shape)}. Use features={flat.shape[1]}, or inputs of the size it was made for."
        )
    return flat


def inputs_of(layer: nn.Module) -> int:
    """How many features a dense layer takes; 0 for a lazy one before its first call, and for one that does not say it.

    The layer may have been replaced by another that computes the same: quantised, or with an adapter.
    """
    return getattr(layer, "in_features", 0)


def regress(
    regression: nn.Module, features: Float[Tensor, "*batch features"], shape: tuple[int, ...]
) -> Float[Tensor, "*batch *shape"]:
    """Theta from features, in full precision also under autocast."""
    with coordinates.full_precision(features.device):
        flat = regression(features.to(_dtype_of(regression, features.dtype)))
    return flat.reshape(*features.shape[:-1], *shape)


def _dtype_of(layer: nn.Module, default: torch.dtype) -> torch.dtype:
    """What a dense layer computes in: one that was quantised has no parameters, and takes float32."""
    weight = getattr(layer, "weight", None)
    known = [weight] if isinstance(weight, Tensor) else list(layer.parameters())
    floating = [one.dtype for one in known if one.is_floating_point()]
    return floating[0] if floating else torch.promote_types(default, torch.float32)


def width_of(localiser: object, features: int | None) -> int | None:
    """Number of features of a localiser: as given, else as it says itself, else not known yet.

    Raises:
        OptionError: the localiser is no network, for example the class of one.
    """
    if isinstance(localiser, type):
        name = localiser.__name__
        raise OptionError(f"localiser: expected a network, got the class {name}. Use an object of it: {name}(...).")
    if not callable(localiser):
        raise OptionError(f"localiser: expected a network, got {localiser!r}. Use for example ConvLocaliser(...).")
    return getattr(localiser, "out_features", None) if features is None else _checks.count("features", features)
