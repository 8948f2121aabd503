"""The networks of the paper's experiments."""

from unwarp.models.cnn import CNN
from unwarp.models.fcn import FCN
from unwarp.models.transformed_classifier import TransformedClassifier, st_cnn, st_fcn

__all__ = ["CNN", "FCN", "TransformedClassifier", "st_cnn", "st_fcn"]
