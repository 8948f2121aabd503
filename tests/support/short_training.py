"""What tests that train for a second share: the loop, the error, images that only have to be turned back."""

from collections.abc import Callable

import torch
from torch import Tensor

import unwarp
from support.generators import smooth_image


def steps(count: int, optimiser: torch.optim.Optimizer, loss: Callable[[], Tensor]) -> None:
    for _ in range(count):
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()


def error(logits: Tensor, labels: Tensor) -> float:
    return (logits.argmax(1) != labels).float().mean().item()


def turned_images(
    *, count: int = 16, size: int = 16, largest: float = 0.6, waves: int = 2, seed: int = 4
) -> tuple[Tensor, Tensor, Tensor]:
    """One smooth image, ``count`` angles, and the image turned by each of them."""
    upright = smooth_image((size, size), waves=waves, seed=seed)
    upright = upright * torch.exp(-unwarp.make_grid((size, size)).square().sum(-1))
    angles = torch.linspace(-largest, largest, count)[:, None]
    theta = torch.cat([angles, torch.zeros(count, 2)], 1)
    return upright, angles, unwarp.warp(upright, theta, "rigid", padding_mode="border")
