"""Transformations: families of point maps from output to input, parametrised by theta."""

from unwarp.transforms.affine import Affine
from unwarp.transforms.base import AbstractDisplacement, AbstractMatrixTransform, AbstractTransform
from unwarp.transforms.bounded import Bounded
from unwarp.transforms.bspline import BSpline
from unwarp.transforms.compose import Compose
from unwarp.transforms.diffeomorphic import Diffeomorphic
from unwarp.transforms.flow import Flow
from unwarp.transforms.inverse import Inverse
from unwarp.transforms.learned_basis import LearnedBasis
from unwarp.transforms.piecewise_affine import PiecewiseAffine
from unwarp.transforms.pixel_matrix import from_pixel_matrix, to_pixel_matrix
from unwarp.transforms.polar import LogPolar, Polar
from unwarp.transforms.projective import Projective
from unwarp.transforms.resolve import TRANSFORMS, create, resolve
from unwarp.transforms.restricted import Attention, Rigid, Similarity, Translation
from unwarp.transforms.spline import AbstractSpline
from unwarp.transforms.stationary_velocity import StationaryVelocity
from unwarp.transforms.thin_plate_spline import ThinPlateSpline

__all__ = [
    "TRANSFORMS",
    "AbstractDisplacement",
    "AbstractMatrixTransform",
    "AbstractSpline",
    "AbstractTransform",
    "Affine",
    "Attention",
    "BSpline",
    "Bounded",
    "Compose",
    "Diffeomorphic",
    "Flow",
    "Inverse",
    "LearnedBasis",
    "LogPolar",
    "PiecewiseAffine",
    "Polar",
    "Projective",
    "Rigid",
    "Similarity",
    "StationaryVelocity",
    "ThinPlateSpline",
    "Translation",
    "create",
    "from_pixel_matrix",
    "resolve",
    "to_pixel_matrix",
]
