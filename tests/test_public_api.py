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
    # unwarp.data and unwarp.training export nothing themselves: these are the modules that the reference documents.
    "unwarp.models": ["CNN", "FCN", "SmallCNN", "TransformedClassifier", "st_cnn", "st_fcn"],
    "unwarp.models.later_transformers": ["ic_st_cnn", "shared_st_cnn"],
    "unwarp.models.line_reader": ["CRNN", "Contrast", "LineReader", "Shrink", "crnn", "st_crnn"],
    "unwarp.models.one_channel": ["OneChannelConv2d"],
    "unwarp.models.parallel_classifier": ["two_st_fcn"],
    "unwarp.models.sequence_reader": ["GlimpseReader", "WholeReader", "recurrent_st_cnn", "sequence_cnn"],
    "unwarp.models.volume_classifier": ["CNN3D", "FlattenedVolume", "st_volume"],
    "unwarp.metrics": ["BLANK", "best_path", "character_error", "edit_distance", "line_error"],
    "unwarp.data.distorted_mnist": [
        "BACKGROUND",
        "CHANNELS",
        "EpochSampler",
        "FixedBatches",
        "FreshBatches",
        "NUM_CLASSES",
    ],
    "unwarp.data.distortions": [
        "Distortion",
        "as_images",
        "elastic",
        "fastest_backend",
        "get",
        "projected",
        "rotated",
        "rotated_scaled_translated",
        "translated_cluttered",
    ],
    "unwarp.data.lines": ["ALPHABET", "Lines", "spelled"],
    "unwarp.data.mnist": ["Digits", "combined", "digest", "hold_out", "load", "read_digits"],
    "unwarp.data.mnist_subset": ["digest", "subset"],
    "unwarp.training.collapse": ["CollapseWarning", "Look", "look", "signs"],
    "unwarp.training.datamodule": ["BatchDataModule"],
    "unwarp.training.devices": ["Devices", "STRATEGIES", "is_writer"],
    "unwarp.training.fit": ["Outcome", "Terminated", "fit", "test_error"],
    "unwarp.training.module": ["ClassificationModule"],
    "unwarp.training.reading_module": ["ReadingModule", "ctc"],
    "unwarp.training.muon": ["MuonWithAdamW"],
    "unwarp.training.schedules": ["Plan", "modern", "published"],
    "unwarp.training.theta_statistics": ["ThetaStatistics"],
}
CONVERSIONS = ["normalised_to_pixel", "pixel_to_normalised"]
"""What `unwarp.coordinates` has for users; its other functions serve the layers above."""
REFERENCE = Path(__file__).parent.parent / "docs" / "reference"


def exported(module):
    """What a module lists, else what is defined in it without an underscore."""
    loaded = importlib.import_module(module)
    defined = [
        name
        for name, value in vars(loaded).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module
    ]
    return sorted(getattr(loaded, "__all__", defined))


@pytest.mark.parametrize("module", PUBLIC)
def test_the_public_names_are_these(module):
    assert exported(module) == sorted(PUBLIC[module])
    assert all(hasattr(importlib.import_module(module), name) for name in PUBLIC[module])


@pytest.mark.parametrize("page", sorted(REFERENCE.glob("*.md")), ids=lambda page: page.stem)
def test_what_the_reference_documents_is_public(page):
    documented = re.findall(r"^::: (unwarp[\w.]*)\.(\w+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    names = {"unwarp.errors": ERRORS, "unwarp.data": ["distortions"], "unwarp.coordinates": CONVERSIONS, **PUBLIC}
    assert all(name in names[module] for module, name in documented)


def test_every_error_is_exported_and_derives_from_one():
    defined = [value for value in vars(errors).values() if isinstance(value, type)]
    assert sorted(error.__name__ for error in defined) == ERRORS
    assert all(issubclass(error, unwarp.UnwarpError) for error in defined)


def test_there_is_one_version():
    citation = (Path(__file__).parent.parent / "CITATION.cff").read_text()
    assert re.search(r"^version: (.*)$", citation, re.MULTILINE)[1] == unwarp.__version__
    assert version("unwarp") == unwarp.__version__
