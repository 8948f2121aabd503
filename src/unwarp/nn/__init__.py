"""Modules: spatial transformers, localisers, samplers."""

from unwarp.nn.initialisation import parameter_groups, regression_layer
from unwarp.nn.linearised_sampler import LinearisedSampler
from unwarp.nn.localisers import ConvLocaliser, DenseLocaliser
from unwarp.nn.sampler import Sampler
from unwarp.nn.spatial_transformer import SpatialTransformer

__all__ = [
    "ConvLocaliser",
    "DenseLocaliser",
    "LinearisedSampler",
    "Sampler",
    "SpatialTransformer",
    "parameter_groups",
    "regression_layer",
]
