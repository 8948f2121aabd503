"""What several runs of an experiment say together."""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from unwarp.errors import OptionError

__all__ = ["Summary", "summarise"]

_NORMAL = 1.959964  # 97.5 % of a normal distribution lie below
_STUDENT = (
    *(12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004, 2.262157, 2.228139),
    *(2.200985, 2.178813, 2.160369, 2.144787, 2.131450, 2.119905, 2.109816, 2.100922, 2.093024, 2.085963),
)
"""The same of Student's t with 1, 2, ... degrees of freedom."""


class Summary(NamedTuple):
    """Runs of one experiment, in percent.

    Attributes:
        mean: over the runs.
        seeds: how many there are.
        spread: standard deviation over the runs; nothing for a single one.
        low: lower end of the 95 % interval.
        high: upper end.
    """

    mean: float
    seeds: int
    spread: float | None
    low: float
    high: float


def summarise(errors: Sequence[float], *, examples: int | None) -> Summary:
    """Mean, spread and 95 % interval of the errors of several runs, each on the same test images.

    The interval takes in two chances: which images the test has (Wilson's interval of a share) and, from two runs on,
    which seed a run had (Student's t of their mean). They are independent, so their distances from the mean add up as
    squares.

    Args:
        errors: of each run, in percent.
        examples: test images; nothing leaves their chance out.

    Raises:
        OptionError: there is no run.

    Examples:
        >>> summarise([0.5, 0.7], examples=10_000).mean
        0.6
    """
    if not errors:
        raise OptionError("errors: expected at least one run, got none.")
    mean = statistics.fmean(errors)
    spread = statistics.stdev(errors) if len(errors) > 1 else None
    seeds = 0.0 if spread is None else _student(len(errors) - 1) * spread / math.sqrt(len(errors))
    below, above = _wilson(mean / 100, examples) if examples else (0.0, 0.0)
    low, high = mean - math.hypot(100 * below, seeds), mean + math.hypot(100 * above, seeds)
    return Summary(mean, len(errors), spread, max(0.0, low), min(100.0, high))


def _student(freedom: int) -> float:
    """For many runs the last value listed, which is a little too large and so on the safe side."""
    return _STUDENT[min(freedom, len(_STUDENT)) - 1]


def _wilson(share: float, examples: int) -> tuple[float, float]:
    """How far a share's 95 % interval reaches below and above it."""
    squared = _NORMAL**2
    centre = (share + squared / (2 * examples)) / (1 + squared / examples)
    reach = _NORMAL * math.sqrt(share * (1 - share) / examples + squared / (4 * examples**2)) / (1 + squared / examples)
    return max(0.0, share - (centre - reach)), max(0.0, centre + reach - share)
