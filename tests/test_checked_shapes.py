"""The checks of shapes that every other test runs under."""

import math

import pytest
import torch
from torch import Tensor

import unwarp
from support import checked_shapes
from support.checked_shapes import WrongShapeError, on_return
from unwarp import coordinates
from unwarp._typing import Float, Integer


@on_return
def rows(values: Float[Tensor, "batch n"], chosen: Integer[Tensor, "*k"]) -> Float[Tensor, "*k n"]:
    if len(chosen) == 0:
        raise ValueError("chosen: expected at least one, got none.")
    return values[chosen.long()] if len(chosen) < 3 else values[:1]


@on_return
def either(values: Float[Tensor, "*#batch n"] | None, *others: int) -> tuple[Float[Tensor, "*batch n"], int]:
    return torch.zeros(2, 3) if values is None else values, len(others)


@on_return
def refusing(values: Float[Tensor, "batch n"]) -> Tensor:
    rows(values, torch.tensor([0, 0, 0]))
    raise ValueError("values: expected others.")


def test_the_package_is_checked(monkeypatch):
    monkeypatch.setattr(checked_shapes, "ENOUGH", math.inf)  # however many grids other tests have made
    right = coordinates.regular_grid
    monkeypatch.setattr(coordinates, "regular_grid", lambda *args, **options: right(*args, **options).long())
    with pytest.raises(WrongShapeError, match=r"make_grid: return is no .*\*size D"):
        unwarp.make_grid((3,))


def test_what_fits_passes():
    assert rows(torch.rand(4, 3), torch.tensor([1, 2])).shape == (2, 3)
    assert either(None, 1, 2)[1] == 2
    assert either(torch.rand(5, 1, 3))[0].shape == (5, 1, 3)


@pytest.mark.parametrize(
    ("values", "chosen", "message"),
    [
        (torch.rand(4, 3), torch.tensor([0, 1, 1]), "rows: return"),
        (torch.rand(4, 3, 1), torch.tensor([1]), "rows: values"),
        (torch.ones(4, 3, dtype=torch.long), torch.tensor([1]), "rows: values"),
        (torch.rand(4, 3), torch.tensor([1.0]), "rows: chosen"),
    ],
)
def test_what_does_not_fit_is_told(values, chosen, message):
    with pytest.raises(WrongShapeError, match=message):
        rows(values, chosen)


def test_an_error_of_the_function_goes_first():
    with pytest.raises(ValueError, match="at least one"):
        rows(torch.rand(4), torch.tensor([], dtype=torch.long))
    with pytest.raises(ValueError, match="expected others"):
        refusing(torch.rand(4, 3))  # `rows` gave a wrong shape within
    assert rows(torch.rand(4, 3), torch.tensor([1])).shape == (1, 3)  # and is forgotten


def test_compiled_functions_are_left_alone():
    compiled = torch.compile(rows, backend="eager", fullgraph=True)
    assert compiled(torch.rand(4, 3), torch.tensor([1, 2])).shape == (2, 3)
