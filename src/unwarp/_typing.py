"""Shape annotations for signatures: `Float[Tensor, "batch channels *size"]`.

They read as jaxtyping's do: ``*size`` is any number of axes, ``#batch`` the batch or 1, which serves all. To a type
checker and at run time they are plain `Tensor`. Under pytest they are checked, in calls that return.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from torch import Tensor

__all__ = ["Float", "Integer", "Shaped", "Size"]

if TYPE_CHECKING:
    from typing import Annotated as Float
    from typing import Annotated as Integer
    from typing import Annotated as Shaped
else:

    class _Shape:
        """Stands in for a jaxtyping dtype at run time: `Float[Tensor, "..."]` is then plain `Tensor`."""

        def __class_getitem__(cls, item: tuple[type[Tensor], str]) -> type[Tensor]:
            return item[0]

    Float = Integer = Shaped = _Shape

Size: TypeAlias = int | Sequence[int]
