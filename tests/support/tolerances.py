"""How close is close enough: one table, each row with its reason. Nothing else in the tests names a tolerance."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Tolerance:
    """``abs(actual - expected) <= absolute + relative * abs(expected)``, elementwise."""

    absolute: float
    relative: float
    reason: str


_TABLE: dict[tuple[str, torch.dtype], Tolerance] = {
    ("torch", torch.float32): Tolerance(
        1e-5, 1e-5, "torch rounds (x + 1) * n / 2 - 1/2, we centred pixels: positions differ by 1e-6 pixels at n = 10"
    ),
    ("torch", torch.float64): Tolerance(1e-10, 1e-10, "the same in double precision; 1e-10 is what we promise"),
    ("backend", torch.float32): Tolerance(
        2e-5, 2e-5, "a backend may round positions (1e-6 pixels) and sum taps and gradients in an order of its own"
    ),
    ("backend", torch.float64): Tolerance(1e-11, 1e-11, "the same in double precision"),
    ("rearranged", torch.float32): Tolerance(2e-6, 2e-6, "the same products summed in another order: a few ulp"),
    ("rearranged", torch.float64): Tolerance(1e-14, 1e-14, "the same products summed in another order: a few ulp"),
    ("oracle", torch.float64): Tolerance(1e-11, 1e-11, "another algorithm for the same equation, in double precision"),
    ("spline", torch.float32): Tolerance(
        2e-5, 2e-5, "the prefilter of order 7 amplifies the finest detail, and its rounding, by 20 along each axis"
    ),
    ("spline", torch.float64): Tolerance(1e-12, 1e-12, "the same in double precision"),
    ("clustered", torch.float64): Tolerance(
        1e-7, 1e-7, "the oracle's eigenvectors of equal eigenvalues are arbitrary, and ours count as equal within 1e-6"
    ),
    ("float32 spline", torch.float64): Tolerance(1e-6, 1e-6, "the thin-plate spline's control points are float32"),
    ("scipy spline", torch.float64): Tolerance(
        5e-5, 0, "scipy extends an image by 12 pixels for its prefilter; 0.43^12 = 4e-5 of what lies beyond at order 5"
    ),
    ("interpol spline", torch.float64): Tolerance(1e-6, 0, "torch-interpol cuts its recursions short at 1e-13 to 1e-6"),
    ("opencv", torch.float32): Tolerance(2e-5, 2e-5, "weights from a float32 table, in Lanczos from rounded sines"),
    ("followed", torch.float32): Tolerance(
        2e-5, 2e-5, "particles go 4e-6 beyond a face before they change simplices, in directions that rounding decides"
    ),
    ("followed", torch.float64): Tolerance(1e-9, 1e-9, "the same, 1e-9"),
    ("rounded", torch.float16): Tolerance(1e-7, 2**-10, "half has 11 bits: the float32 result rounded once, to an ulp"),
    ("rounded", torch.bfloat16): Tolerance(1e-7, 2**-7, "bfloat16 has 8 bits: the float32 result rounded once"),
    ("difference", torch.float64): Tolerance(
        1e-7, 1e-6, "central differences of step 1e-5: truncation 1e-10, cancellation 1e-11 / 1e-5"
    ),
}


def tolerance(kind: str, dtype: torch.dtype) -> Tolerance:
    """The row of the table for a kind of comparison in a dtype."""
    return _TABLE[kind, dtype]


def assert_matches(actual: Tensor, expected: Tensor, kind: str, *, what: str = "values") -> None:
    """Hold two tensors of the same shape and dtype together, within the table's row for ``kind`` and their dtype.

    NaN matches NaN: an undefined sample is a result like any other.
    """
    row = tolerance(kind, actual.dtype)
    torch.testing.assert_close(
        actual,
        expected,
        atol=row.absolute,
        rtol=row.relative,
        equal_nan=True,
        msg=lambda details: f"{what} ({kind}, {row.reason}):\n{details}",
    )


def assert_same(actual: Tensor, expected: Tensor, *, what: str = "values") -> None:
    """Hold two tensors bit for bit equal, NaN matching NaN."""
    torch.testing.assert_close(actual, expected, atol=0, rtol=0, equal_nan=True, msg=lambda d: f"{what}:\n{d}")
