"""Modules: spatial transformers, localisers, samplers."""

from unwarp.nn.abstract_transformer import AbstractSpatialTransformer
from unwarp.nn.backbone_localiser import BackboneLocaliser
from unwarp.nn.initialisation import parameter_groups, regression_layer
from unwarp.nn.inverse_compositional import InverseCompositionalTransformer
from unwarp.nn.linearised_sampler import LinearisedSampler
from unwarp.nn.localisers import ConvLocaliser, DenseLocaliser
from unwarp.nn.parallel_transformer import ParallelSpatialTransformer
from unwarp.nn.recurrent_transformer import RecurrentSpatialTransformer
from unwarp.nn.regularisers import bending_energy, folding_penalty, identity_penalty, outside_penalty
from unwarp.nn.sampler import Sampler
from unwarp.nn.shared_localiser import SharedLocaliser
from unwarp.nn.spatial_transformer import SpatialTransformer
from unwarp.nn.theta_forward import ThetaForward
from unwarp.nn.theta_penalty import ThetaPenalty
from unwarp.nn.tiles import tile_thetas

__all__ = [
    "AbstractSpatialTransformer",
    "BackboneLocaliser",
    "ConvLocaliser",
    "DenseLocaliser",
    "InverseCompositionalTransformer",
    "LinearisedSampler",
    "ParallelSpatialTransformer",
    "RecurrentSpatialTransformer",
    "Sampler",
    "SharedLocaliser",
    "SpatialTransformer",
    "ThetaForward",
    "ThetaPenalty",
    "bending_energy",
    "folding_penalty",
    "identity_penalty",
    "outside_penalty",
    "parameter_groups",
    "regression_layer",
    "tile_thetas",
]
