"""One call from a transformer and images to a picture of what it does."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from unwarp._typing import Float
from unwarp.nn import AbstractSpatialTransformer, SharedLocaliser
from unwarp.viz.animation import theta_frames
from unwarp.viz.panels import transformer_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def show_transformer(
    transformer: AbstractSpatialTransformer,
    images: Float[Tensor, "batch channels h w"],
    *,
    captions: Sequence[str] | None = None,
    title: str | None = None,
    pairs_per_row: int = 4,
    cells: int | None = None,
) -> "Figure":
    """Run a transformer and draw its inputs with the region it samples, each beside the output.

    It runs in eval mode, without dropout and with the statistics that it has, and is left in the modes that it had.

    Args:
        transformer: any transformer of `unwarp.nn`, for images.
        images: what it takes, in grey or RGB, 0..1.
        captions, title, pairs_per_row, cells: as in `transformer_figure`.

    Returns:
        The figure, for `save_png` or a notebook.

    Examples:
        >>> from unwarp.nn import DenseLocaliser, SpatialTransformer
        >>> figure = show_transformer(SpatialTransformer(DenseLocaliser(64)), torch.rand(2, 1, 8, 8))
    """
    with torch.no_grad(), _in_eval_mode(transformer):
        theta = transformer.localise(images)
        outputs = transformer.sampler.warp(images, theta, transformer.transform, transformer.size)
    return transformer_figure(
        images,
        outputs,
        theta,
        transformer.transform,
        captions=captions,
        title=title,
        pairs_per_row=pairs_per_row,
        cells=cells,
        align_corners=transformer.sampler.align_corners,
    )


def transformer_frames(
    transformer: AbstractSpatialTransformer,
    images: Float[Tensor, "batch channels h w"],
    thetas: Float[Tensor, "steps batch *theta"],
    *,
    labels: Sequence[str] | None = None,
    cells: int | None = None,
) -> "list[Figure]":
    """One figure for each theta of a sequence: the epochs of a training run, or the steps of one look.

    Args:
        transformer: gives the family, the size and the sampling.
        images: the same in every frame.
        thetas: a theta for each image in each frame.
        labels: over the frames, for example the epoch.
        cells: as in `draw_region`.

    Returns:
        The figures, for `save_gif`.
    """
    return theta_frames(
        images,
        thetas,
        transformer.transform,
        warp=lambda theta: transformer.sampler.warp(images, theta, transformer.transform, transformer.size),
        labels=labels,
        cells=cells,
        align_corners=transformer.sampler.align_corners,
    )


@contextmanager
def _in_eval_mode(transformer: nn.Module) -> Generator[None, None, None]:
    """Every module that the transformer runs in eval mode; afterwards each in its own."""
    # A classifier's layers that a localiser borrows are not among the transformer's modules.
    borrowed = [module.layers for module in transformer.modules() if isinstance(module, SharedLocaliser)]
    networks = [transformer, *borrowed]
    modes = {module: module.training for network in networks for module in network.modules()}
    for network in networks:
        network.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
