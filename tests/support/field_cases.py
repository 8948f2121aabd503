"""Velocity fields and particles for the ops that follow them, in C++ and in Triton."""

import torch

from support.families import points_inside
from support.generators import generator
from support.tolerances import assert_matches
from unwarp.transforms.tessellation import node_counts

STAGES = 40
BOXES = {1: (5,), 2: (3, 4), 3: (2, 3, 2)}
COUNT = {1: 23, 2: 149, 3: 83}
"""Points: not a multiple of any vector length."""

SEED = 10
"""Of points none of which grazes a face: there the search for the time ends early, in each code at another."""


def assert_gradients_match(found, expected):
    """Beside the largest, which is up to hundreds where neighbours drift apart, and rounding with it."""
    for ours, theirs, what in zip(found, expected, ("velocities", "points"), strict=True):
        scale = theirs.abs().max()
        assert scale > 0.1
        assert_matches(ours / scale, theirs / scale, "followed", what=what)


def field_case(ndim, *, dtype=torch.float64, speed=0.7, batch=2, count=None):
    """Velocities at the nodes, and points of which some are beyond the square; boxes and stages."""
    nodes = torch.Size(node_counts(BOXES[ndim])).numel()
    velocities = speed * torch.randn(batch, nodes, ndim, generator=generator(ndim), dtype=torch.float64)
    points = 1.2 * torch.stack([points_inside(ndim, count or COUNT[ndim], seed=SEED + s) for s in range(batch)])
    return velocities.to(dtype), points.to(dtype), BOXES[ndim], STAGES
