"""The networks of the paper's experiments, and a small CNN for images of any size."""

from unwarp.models.cnn import CNN
from unwarp.models.fcn import FCN
from unwarp.models.small_cnn import SmallCNN
from unwarp.models.transformed_classifier import TransformedClassifier, st_cnn, st_fcn

__all__ = ["CNN", "FCN", "SmallCNN", "TransformedClassifier", "st_cnn", "st_fcn"]
