"""The figures that the paper publishes."""

import tomllib
from importlib.resources import files

__all__ = ["published_error"]


def published_error(name: str) -> float | None:
    """The test error in percent that the paper gives for an experiment, or nothing where it gives none.

    Examples:
        >>> published_error("mnist-rts/st-cnn-affine")
        0.5
    """
    text = (files("unwarp.experiments") / "published.toml").read_text(encoding="utf-8")
    dataset, _, network = name.partition("/")
    return tomllib.loads(text).get(dataset, {}).get(network)
