"""Which digits a run learns from and is tested on, so that figures of others are not taken for its own."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from unwarp.data import mnist, mnist_subset
from unwarp.experiments.config import DataConfig

__all__ = ["digits_of", "known_digits"]


def digits_of(config: DataConfig, data_dir: Path | None) -> str:
    """A digest of the training and test digits.

    Args:
        config: says whether they are the packaged ones.
        data_dir: folder of the four MNIST files; without it they are the published ones.

    Raises:
        DataError: a file of the folder is missing or damaged.
    """
    if config.source == "packaged":
        return _packaged()
    return mnist.PUBLISHED if data_dir is None else mnist.digest(data_dir)


def known_digits(given: str | None, config: Mapping[str, Any]) -> str:
    """What a record or a checkpoint says of its digits; those of the first versions say nothing, and are as published.

    Args:
        given: the digest in it, if any.
        config: its settings.
    """
    if given:
        return given
    return _packaged() if config.get("data", {}).get("source") == "packaged" else mnist.PUBLISHED


@cache
def _packaged() -> str:
    return mnist_subset.digest()
