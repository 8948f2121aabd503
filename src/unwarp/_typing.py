"""Shape annotations for signatures: `Float[Tensor, "batch channels *size"]`.

jaxtyping is a development tool. Without it the annotations stay readable strings and nothing is imported.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from torch import Tensor

__all__ = ["Float", "Integer", "Shaped", "Size"]

if TYPE_CHECKING:
    from jaxtyping import Float, Integer, Shaped
else:

    class _Shape:
        """Stands in for a jaxtyping dtype at run time: `Float[Tensor, "..."]` is then plain `Tensor`."""

        def __class_getitem__(cls, item: tuple[type[Tensor], str]) -> type[Tensor]:
            return item[0]

    Float = Integer = Shaped = _Shape

Size: TypeAlias = int | Sequence[int]
