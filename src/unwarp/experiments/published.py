"""The figures that the paper publishes."""

import tomllib
from importlib.resources import files
from typing import cast

__all__ = ["Published", "published_error", "published_text"]

Published = float | tuple[float, float]
"""A figure, or the least and the largest of several."""


def published_error(name: str) -> Published | None:
    """The test error in percent that the paper gives for an experiment, or nothing where it gives none.

    Examples:
        >>> published_error("mnist-rts/st-cnn-affine")
        0.5
        >>> published_error("mnist-tc84/co-localiser")
        (6.0, 25.0)
    """
    text = (files("unwarp.experiments") / "published.toml").read_text(encoding="utf-8")
    dataset, _, network = name.partition("/")
    figure = cast(float | list[float] | None, tomllib.loads(text).get(dataset, {}).get(network))
    return (figure[0], figure[1]) if isinstance(figure, list) else figure


def published_text(figure: Published | None) -> str:
    """A published figure for a table."""
    if figure is None:
        return "–"
    return " to ".join(f"{end:.1f}" for end in (figure if isinstance(figure, tuple) else (figure,)))
