"""Every error that unwarp raises on purpose.

Each message says which argument is wrong, what was expected, what was given, and the usual fix. All derive from
`UnwarpError`, and each is also the builtin that torch users already catch.
"""


class UnwarpError(Exception):
    """Base of all errors raised by unwarp."""


class ShapeError(UnwarpError, ValueError):
    """A tensor or size has the wrong shape."""


class DtypeError(UnwarpError, TypeError):
    """A tensor has the wrong dtype, or an argument the wrong type."""


class DeviceError(UnwarpError, ValueError):
    """Tensors that belong together lie on different devices."""


class OptionError(UnwarpError, ValueError):
    """An option has a value that does not exist or does not fit the others."""


class UnsupportedError(UnwarpError, NotImplementedError):  # also the builtin that torch raises where it has none
    """The mathematics has no such operation, for example the inverse of a spline."""


class BackendError(UnwarpError, RuntimeError):
    """A backend is missing, or does not cover the case it was asked for."""


class DataError(UnwarpError, RuntimeError):
    """A file or dataset is missing, truncated or corrupt."""


class TrainingError(UnwarpError, RuntimeError):
    """Training cannot go on, for example because the loss is not finite."""


class CheckpointError(UnwarpError, RuntimeError):
    """A checkpoint is missing, truncated, or of another model."""


class DependencyError(UnwarpError, ImportError):
    """A package that an extra of unwarp installs is not there."""
