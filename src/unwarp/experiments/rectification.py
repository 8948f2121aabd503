"""A picture straightened by a trained transformer, at its own size and depth."""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unwarp._typing import Float
from unwarp.data.intake import Intake
from unwarp.data.picture import Picture
from unwarp.errors import UnsupportedError
from unwarp.functional import warp
from unwarp.nn import AbstractSpatialTransformer
from unwarp.transforms import AbstractTransform, Affine, Compose

__all__ = ["PictureMap", "map_for", "warp_picture"]


class PictureMap(NamedTuple):
    """A map of one picture.

    Attributes:
        transform: the family.
        theta: ``(1, *theta_shape)``.
        size: height and width of the result.
    """

    transform: AbstractTransform
    theta: Tensor
    size: tuple[int, int]


def map_for(
    transformer: AbstractSpatialTransformer,
    theta: Float[Tensor, "*theta"],
    intake: Intake,
    size: tuple[int, int],
    *,
    output: tuple[int, int] | None = None,
) -> PictureMap:
    """What a transformer's theta means for the whole picture.

    The network saw the picture stretched, cropped or padded into its input; its map is moved from there to the picture.

    Args:
        transformer: what predicted theta.
        theta: of this picture.
        intake: how the network saw it.
        size: height and width of the picture.
        output: height and width of the result. By default as many pixels as the network's field of view has of the
            picture, so that an identity changes no pixel.

    Raises:
        UnsupportedError: the transformer makes several pictures of one.
    """
    family = transformer.transform
    if theta.shape != tuple(family.theta_shape):
        raise UnsupportedError(
            f"model: expected a transformer with one theta {tuple(family.theta_shape)} a picture, got "
            f"{tuple(theta.shape)}. Call the transformer itself for several."
        )
    across, down = intake.frame(size)
    made = output or (max(1, round(size[0] * down)), max(1, round(size[1] * across)))
    if (across, down) == (1.0, 1.0):
        return PictureMap(family, theta[None], made)
    frame = torch.tensor([[across, 0.0, 0.0], [0.0, down, 0.0]], dtype=theta.dtype)
    composed = Compose(Affine(), family)
    return PictureMap(composed, composed.join(frame, theta)[None], made)


def warp_picture(
    picture: Picture,
    where: PictureMap,
    *,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool = False,
    antialias: bool = True,
) -> NDArray[Any]:
    """Warp the pixels of a picture, in its own depth.

    Colours are weighted by alpha, so that what is transparent lends its colour to no neighbour.

    Args:
        picture: what to warp.
        where: the map.
        mode, padding_mode, align_corners, antialias: as in `unwarp.warp`.

    Returns:
        ``(height, width, channels)`` in the dtype of the picture.
    """
    # float32 holds every value of 16 bits, but not those of 32.
    exact = np.float64 if picture.pixels.dtype == np.int32 else np.float32
    image = torch.from_numpy(np.ascontiguousarray(picture.pixels).astype(exact)).permute(2, 0, 1)[None]
    if picture.alpha:
        image[:, :-1] *= image[:, -1:] / picture.largest
    with torch.no_grad():
        warped = warp(
            image,
            where.theta.float(),
            where.transform,
            where.size,
            mode=mode,
            padding_mode=padding_mode,
            align_corners=align_corners,
            antialias=antialias,
        )[0]
    if picture.alpha:
        warped[:-1] *= torch.where(warped[-1:] > 0, picture.largest / warped[-1:], 0)
    return _in_depth(warped.permute(1, 2, 0).numpy(), picture)


def _in_depth(pixels: NDArray[np.floating], picture: Picture) -> NDArray[Any]:
    depth = picture.pixels.dtype
    if depth.kind == "f":
        return pixels
    return np.rint(np.nan_to_num(pixels).clip(np.iinfo(depth).min, np.iinfo(depth).max)).astype(depth)
