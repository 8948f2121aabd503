"""Transformations: families of point maps from output to input, parametrised by theta."""

from unwarp.transforms.affine import Affine
from unwarp.transforms.base import AbstractDisplacement, AbstractMatrixTransform, AbstractTransform
from unwarp.transforms.projective import Projective
from unwarp.transforms.resolve import TRANSFORMS, create, resolve
from unwarp.transforms.restricted import Attention, Rigid, Similarity, Translation
from unwarp.transforms.spline import AbstractSpline
from unwarp.transforms.thin_plate_spline import ThinPlateSpline

__all__ = [
    "TRANSFORMS",
    "AbstractDisplacement",
    "AbstractMatrixTransform",
    "AbstractSpline",
    "AbstractTransform",
    "Affine",
    "Attention",
    "Projective",
    "Rigid",
    "Similarity",
    "ThinPlateSpline",
    "Translation",
    "create",
    "resolve",
]
