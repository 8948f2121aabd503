"""unwarp: spatial transformer networks for PyTorch."""

from unwarp import compat, kernels, nn, transforms
from unwarp.backends import available_backends
from unwarp.errors import (
    BackendError,
    CheckpointError,
    DataError,
    DependencyError,
    DeviceError,
    DtypeError,
    OptionError,
    ShapeError,
    TrainingError,
    UnsupportedError,
    UnwarpError,
)
from unwarp.functional import make_grid, sample, warp

__version__ = "0.1.0"

__all__ = [
    "BackendError",
    "CheckpointError",
    "DataError",
    "DependencyError",
    "DeviceError",
    "DtypeError",
    "OptionError",
    "ShapeError",
    "TrainingError",
    "UnsupportedError",
    "UnwarpError",
    "__version__",
    "available_backends",
    "compat",
    "kernels",
    "make_grid",
    "nn",
    "sample",
    "transforms",
    "warp",
]
