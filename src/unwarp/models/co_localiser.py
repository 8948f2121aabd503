"""One attention transformer a digit, trained to agree on what its images have in common (appendix A.2)."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

import unwarp
from unwarp._typing import Float, Integer
from unwarp.errors import ShapeError
from unwarp.models.cnn import CNN
from unwarp.nn import SpatialTransformer
from unwarp.transforms import Attention, Bounded

__all__ = ["CROP", "CoLocaliser", "Embedding"]

CROP = 28  # side of what a transformer hands on, in pixels
_SMALLEST, _LARGEST = 1 / 3, 2 / 3  # scale
_START = 0.6  # of the scale: a crop sees enough of most images, and a digit in it is not too small to be known
_DISTANCES = (1, 2)  # of two digits by the embedding's second pooling and by its logits
_SLOPE = 0.1  # of the rectifiers, as in `unwarp.nn.ConvLocaliser`


class Embedding(nn.Module):
    """The last two layers of a trained `CNN` as one vector.

    The first layer says where strokes are rather than what they form, and is left out. The others are scaled so that
    two digits are at a squared distance of 1 on average by the second pooling, and of 4 by the logits: of the order of
    the hinge's margin, and mostly by what the network takes a crop for.

    Args:
        network: trained to classify the crops; its weights stay as they are.
    """

    scales: Tensor

    def __init__(self, network: CNN) -> None:
        super().__init__()
        self.network = network.requires_grad_(requires_grad=False)
        self.register_buffer("scales", torch.ones(2))

    def calibrate(self, images: Float[Tensor, "batch channels h w"]) -> None:
        """Choose the scales of the layers by digits as the network knows them.

        Raises:
            ShapeError: there are fewer than two, which have no distance.
        """
        if len(images) < 2:
            raise ShapeError(f"images: expected 2 digits or more, got {len(images)}. Use a larger data.validation.")
        with torch.no_grad():
            layers = zip(_DISTANCES, self._layers(images), strict=True)
            self.scales.copy_(torch.stack([distance * (2 * layer.var(0).sum()).rsqrt() for distance, layer in layers]))

    def forward(self, images: Float[Tensor, "batch channels h w"]) -> Float[Tensor, "batch features"]:
        """The second pooling and the logits, scaled."""
        layers = self._layers(images)
        return torch.cat([scale * layer.float() for scale, layer in zip(self.scales, layers, strict=True)], dim=1)

    def _layers(self, images: Tensor) -> tuple[Tensor, Tensor]:
        convolved = self.network.layers[:6](images)
        return convolved.flatten(1), self.network.layers[6:](convolved)


class CoLocaliser(nn.Module):
    """An attention transformer for each digit, and the embedding by which their crops are compared.

    Convention: theta is ``(s, t_x, t_y)`` of the crop's frame, normalised; the side of the crop is ``s`` times that of
    the image. A scale is between 1/3 and 2/3, and a crop lies whole in the image.

    Args:
        size: height and width of the images.
        channels: of the images.
        classes: how many digits there are.
        width: filters of the embedding's convolutions.
        filters: of the localisers' convolution; the paper has 8.
        starts: transformers a digit, each with initial weights of its own. All of them look at an image, and what
            counts is the crop whose embedding is nearest to ``common``, which `remember` sets.

    Examples:
        >>> network = CoLocaliser((84, 84), width=8)
        >>> network(torch.rand(4, 1, 84, 84), torch.tensor([0, 1, 1, 7])).shape
        torch.Size([4, 3])
    """

    common: Tensor
    """What the crops of each digit have in common: their mean embedding, ``(classes, features)``; zeros at first."""

    def __init__(
        self,
        size: Sequence[int],
        *,
        channels: int = 1,
        classes: int = 10,
        width: int = 32,
        filters: int = 8,
        starts: int = 1,
    ) -> None:
        super().__init__()
        self.classes = classes
        self.starts = starts
        self.embedding = Embedding(CNN((CROP, CROP), channels=channels, classes=classes, width=width))
        self.transformers = nn.ModuleList(_transformer(size, channels, filters) for _ in range(starts * classes))
        with torch.no_grad():
            features = self.embedding(torch.zeros(1, channels, CROP, CROP)).shape[1]
        self.register_buffer("common", torch.zeros(classes, features), persistent=starts > 1)

    def remember(self, common: Float[Tensor, "classes features"]) -> None:
        """From now on, ask of each digit's transformers the one whose crop is nearest to this embedding."""
        self.common.copy_(common)

    def nearest(self, seen: Float[Tensor, "starts batch features"], digit: int) -> Integer[Tensor, "batch"]:
        """Which start's crop of each image is the one that counts, by the embeddings of all of them."""
        return (seen - self.common[digit]).square().sum(2).argmin(0)

    def forward(
        self, images: Float[Tensor, "batch channels h w"], digits: Integer[Tensor, "batch"] | None = None
    ) -> Float[Tensor, "batch 3"]:
        """Where each image's transformer looks.

        Args:
            images: to look at.
            digits: whose transformer looks at each; by default all are looked at by the first.
        """
        if digits is None:
            digits = torch.zeros(len(images), dtype=torch.long, device=images.device)
        theta = images.new_empty(len(images), 3)
        for digit in cast(list[int], digits.unique().tolist()):
            own = digits == digit
            theta[own] = self._look(images[own], digit).to(theta.dtype)
        return theta

    def _look(self, images: Tensor, digit: int) -> Tensor:
        """Theta of the crop that counts."""
        if self.starts == 1:
            return self.crop(images, digit)[1]
        crops, theta = zip(*(self.crop(images, digit, start=start) for start in range(self.starts)), strict=True)
        chosen = self.nearest(torch.stack([self.embedding(crop) for crop in crops]), digit)
        return torch.stack(theta)[chosen, torch.arange(len(images), device=images.device)]

    def crop(
        self,
        images: Float[Tensor, "batch channels h w"],
        digit: int,
        moved: Float[Tensor, "batch 2"] | None = None,
        *,
        start: int = 0,
    ) -> tuple[Float[Tensor, "batch channels 28 28"], Float[Tensor, "batch 3"]]:
        """What one digit's transformer makes of images, and where it looked.

        Args:
            images: to look at.
            digit: whose transformer looks.
            moved: ``(x, y)`` to move each crop by, normalised, as far as the image reaches; the gradient is as if it
                reached further.
            start: which of the digit's transformers.
        """
        transformer = cast(SpatialTransformer, self.transformers[start * self.classes + digit])
        theta = cast(Bounded, transformer.transform).bound(transformer.localise(images))
        if moved is not None:
            scale, shift = theta[:, :1], theta[:, 1:]
            room = 1 - scale.detach()
            theta = torch.cat([scale, shift + ((shift + moved).clamp(-room, room) - shift).detach()], dim=1)
        return unwarp.warp(images, theta, "attention", (CROP, CROP)), theta


class _CropInside(Bounded):
    """Attention that stays in the image: its shift is a share of what room the scale leaves.

    A crop as large as the image would have none, is its own random crop, and has no gradient that leads it back.
    """

    def __init__(self) -> None:
        super().__init__(Attention(), shift=1.0)

    def bound(self, theta: Tensor) -> Tensor:
        centre, reach = (_LARGEST + _SMALLEST) / 2, (_LARGEST - _SMALLEST) / 2
        scale = centre + reach * torch.tanh((theta[..., :1] - centre) / reach)
        shift = theta[..., 1:]
        # A hyperbolic tangent would end here: a crop sent far into a corner early on had no gradient left to come back.
        share = shift * (1 + shift.square()).rsqrt()
        return torch.cat([scale, (1 - scale) * share], dim=-1)


def _transformer(size: Sequence[int], channels: int, filters: int) -> SpatialTransformer:
    """Convolution 9x9 of stride 4, max-pooling, two dense layers of 8, attention."""
    height, width = (((n - 9) // 4 + 1) // 2 for n in size)
    localiser = nn.Sequential(
        nn.Conv2d(channels, filters, 9, stride=4),
        nn.LeakyReLU(_SLOPE),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(filters * height * width, 8),
        nn.LeakyReLU(_SLOPE),
        nn.Linear(8, 8),
        nn.LeakyReLU(_SLOPE),
    )
    transformer = SpatialTransformer(localiser, _CropInside(), (CROP, CROP), features=8)
    with torch.no_grad():
        transformer.regression.bias[0] = _START
    return transformer
