"""The public names, as a literal list: a name that comes or goes is a decision, not an accident."""

import importlib
import re
from importlib.metadata import version
from pathlib import Path

import pytest

import unwarp
from unwarp import errors

ERRORS = [
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
]

PUBLIC = {
    "unwarp": [
        *ERRORS,
        "__version__",
        "available_backends",
        "compat",
        "kernels",
        "make_grid",
        "nn",
        "sample",
        "transforms",
        "warp",
    ],
    "unwarp.compat": ["affine_grid", "grid_sample"],
    "unwarp.kernels": [
        "AbstractKernel",
        "BSpline",
        "Cubic",
        "Gaussian",
        "Lanczos",
        "Linear",
        "MODES",
        "Nearest",
        "resolve",
    ],
    "unwarp.nn": [
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
    ],
    "unwarp.transforms": [
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
        "TRANSFORMS",
        "ThinPlateSpline",
        "Translation",
        "create",
        "from_pixel_matrix",
        "resolve",
        "to_pixel_matrix",
    ],
    "unwarp.viz": [
        "Code",
        "Picture",
        "Section",
        "Table",
        "draw_region",
        "encode_png",
        "error_bars",
        "region_lines",
        "render_report",
        "save_gif",
        "save_png",
        "show_image",
        "show_transformer",
        "theta_distribution",
        "theta_frames",
        "training_curves",
        "transformer_figure",
        "transformer_frames",
        "write_report",
    ],
    "unwarp.export": [
        "OPSETS",
        "card_path",
        "check_onnx",
        "export_onnx",
        "export_program",
        "read_weights",
        "write_weights",
    ],
}


@pytest.mark.parametrize("module", PUBLIC)
def test_the_public_names_are_these(module):
    exported = importlib.import_module(module)
    assert sorted(exported.__all__) == sorted(PUBLIC[module])
    assert all(hasattr(exported, name) for name in exported.__all__)


def test_every_error_is_exported_and_derives_from_one():
    defined = [value for value in vars(errors).values() if isinstance(value, type)]
    assert sorted(error.__name__ for error in defined) == ERRORS
    assert all(issubclass(error, unwarp.UnwarpError) for error in defined)


def test_there_is_one_version():
    citation = (Path(__file__).parent.parent / "CITATION.cff").read_text()
    assert re.search(r"^version: (.*)$", citation, re.MULTILINE)[1] == unwarp.__version__
    assert version("unwarp") == unwarp.__version__
