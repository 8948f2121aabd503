"""What a dataset is made of: digits in, images and what is to be read from them out."""

from typing import Protocol

import torch
from torch import Tensor

from unwarp._typing import Float, Integer, Shaped

__all__ = ["Task"]


class Task(Protocol):
    """Makes images of digits, a batch at a time."""

    @property
    def name(self) -> str:
        """What settings call it."""
        ...

    @property
    def size(self) -> tuple[int, ...]:
        """Spatial size of the images."""
        ...

    @property
    def channels(self) -> int:
        """Channels of the images."""
        ...

    @property
    def classes(self) -> int:
        """How many answers there are to choose from."""
        ...

    def make(
        self, digits: Shaped[Tensor, "n 28 28"], labels: Integer[Tensor, "n"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "n channels *size"], Shaped[Tensor, "n *answers"]]:
        """Images in 0..1 and, for each, one answer or several in a row; or a probability for each answer, a float.

        Args:
            digits: unsigned bytes or floats in 0..1.
            labels: what they are.
            generator: all chance comes from it.
        """
        ...
