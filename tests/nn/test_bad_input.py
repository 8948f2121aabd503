"""Bad input to modules: each gives one clear error."""

import pytest
import torch
from torch import nn

from support.bad_input import Wrong, assert_refused, parameters
from unwarp import DtypeError, OptionError, ShapeError
from unwarp.nn import (
    ConvLocaliser,
    DenseLocaliser,
    InverseCompositionalTransformer,
    ParallelSpatialTransformer,
    RecurrentSpatialTransformer,
    Sampler,
    SpatialTransformer,
    parameter_groups,
)

IMAGE = torch.rand(2, 3, 8, 8)
FLATTEN = nn.Flatten()
WRONG_MODULES = {
    "transform": Wrong(
        lambda: SpatialTransformer(FLATTEN, "afine"), OptionError, ("transform:", "affine", "'afine'", "'affine'")
    ),
    "count": Wrong(lambda: SpatialTransformer(FLATTEN, count=0), OptionError, ("count:", "positive integer", "0")),
    "features": Wrong(
        lambda: SpatialTransformer(FLATTEN, features=2.5), OptionError, ("features:", "positive integer", "2.5")
    ),
    "size": Wrong(lambda: SpatialTransformer(FLATTEN, size=(28,)), ShapeError, ("size:", "2 integers", "(28,)")),
    "mode": Wrong(lambda: SpatialTransformer(FLATTEN, mode="linea"), OptionError, ("mode:", "bilinear", "'linea'")),
    "padding": Wrong(lambda: Sampler(padding_mode="none"), OptionError, ("padding_mode:", "zeros", "'none'")),
    "align_corners": Wrong(
        lambda: Sampler(align_corners=None), OptionError, ("align_corners:", "True or False", "None")
    ),
    "fill_value": Wrong(
        lambda: Sampler(fill_value=0.5),
        OptionError,
        ("fill_value:", "expected 0", "'zeros'", "0.5", "padding_mode='fill'"),
    ),
    "fill_value of a transformer": Wrong(
        lambda: SpatialTransformer(FLATTEN, fill_value=[1.0], padding_mode="border"),
        OptionError,
        ("fill_value:", "expected 0", "'border'", "[1.0]", "padding_mode='fill'"),
    ),
    "backend": Wrong(lambda: Sampler(backend="cuda"), OptionError, ("backend:", "auto, ", "'cuda'")),
    "features found": Wrong(
        lambda: SpatialTransformer(FLATTEN, features=64)(IMAGE),
        ShapeError,
        ("localiser:", "64 features", "192", "features=192"),
    ),
    "localiser": Wrong(
        lambda: SpatialTransformer(nn.LSTM(8, 8), features=8)(IMAGE[:, 0]),
        DtypeError,
        ("localiser:", "torch.Tensor", "tuple"),
    ),
    "too small": Wrong(
        lambda: ConvLocaliser(1, (28, 27)), ShapeError, ("size:", "at least 28", "(28, 27)", "DenseLocaliser")
    ),
    "too small at the call": Wrong(
        lambda: ConvLocaliser(3)(IMAGE), ShapeError, ("image:", "at least 28", "(8, 8)", "DenseLocaliser")
    ),
    "channels": Wrong(
        lambda: ConvLocaliser(1)(IMAGE), ShapeError, ("image:", "(batch, 1, *size)", "(2, 3, 8, 8)", "ConvLocaliser(")
    ),
    "another size": Wrong(
        lambda: ConvLocaliser(1, (28, 28))(torch.rand(1, 1, 42, 42)),
        ShapeError,
        ("image:", "20 features", "320", "size that"),
    ),
    "bytes": Wrong(
        lambda: SpatialTransformer(ConvLocaliser(1, 28))(torch.zeros(2, 1, 28, 28, dtype=torch.uint8)),
        DtypeError,
        ("image:", "float32", "uint8", "image.float()"),
    ),
    "bytes for dense layers": Wrong(
        lambda: DenseLocaliser(784)(torch.zeros(2, 1, 28, 28, dtype=torch.uint8)),
        DtypeError,
        ("image:", "float32", "uint8", "image.float()"),
    ),
    "another size for dense layers": Wrong(
        lambda: DenseLocaliser(784)(torch.rand(2, 1, 32, 32)),
        ShapeError,
        ("image:", "784 numbers", "(2, 1, 32, 32)", "DenseLocaliser()"),
    ),
    "no batch for dense layers": Wrong(
        lambda: DenseLocaliser()(torch.rand(784)), ShapeError, ("image:", "(batch, *in)", "(784,)", "Use")
    ),
    **{
        f"{name}=0": Wrong(
            lambda name=name: ConvLocaliser(**{name: 0}), OptionError, (f"{name}:", "positive integer", "0", "default")
        )
        for name in ("channels", "filters", "kernel_size", "hidden")
    },
    "inputs": Wrong(lambda: DenseLocaliser(0), OptionError, ("inputs:", "positive integer", "0", "default")),
    "a width": Wrong(
        lambda: DenseLocaliser(4, widths=(8, 0)), OptionError, ("widths:", "positive integer", "0", "default")
    ),
    **{
        f"the class of a localiser in {kind.__name__}": Wrong(
            lambda kind=kind, options=options: kind(ConvLocaliser, **options),
            OptionError,
            ("localiser:", "a network", "the class ConvLocaliser", "ConvLocaliser(...)"),
        )
        for kind, options in (
            (SpatialTransformer, {}),
            (ParallelSpatialTransformer, {"count": 2}),
            (RecurrentSpatialTransformer, {}),
            (InverseCompositionalTransformer, {}),
        )
    },
    "a localiser that is none": Wrong(
        lambda: SpatialTransformer(None), OptionError, ("localiser:", "a network", "None", "ConvLocaliser(...)")
    ),
    "ndim": Wrong(lambda: ConvLocaliser(1, ndim=4), OptionError, ("ndim:", "1, 2, 3", "4")),
    "widths": Wrong(
        lambda: DenseLocaliser(4, widths=()), OptionError, ("widths:", "at least one layer", "none", "widths=")
    ),
    "no transformer": Wrong(
        lambda: parameter_groups(FLATTEN, 0.1, 0.1),
        OptionError,
        ("model:", "SpatialTransformer", "none", "model.parameters()"),
    ),
    "rate": Wrong(
        lambda: parameter_groups(SpatialTransformer(FLATTEN, features=1), -0.1, 1.0),
        OptionError,
        ("lr", "positive", "-0.1", "localiser_lr_scale=1"),
    ),
    "lazy": Wrong(
        lambda: parameter_groups(SpatialTransformer(FLATTEN), 0.1, 1.0), OptionError, ("model:", "lazy", "one batch")
    ),
}


@pytest.mark.parametrize("wrong", parameters({"module": WRONG_MODULES}))
def test_bad_input_gives_one_clear_error(wrong):
    assert_refused(wrong)


def test_a_module_with_unequal_batches_says_so():
    transformer = SpatialTransformer(nn.Sequential(nn.Flatten(0, 1), nn.Flatten(), nn.Linear(64, 2)), features=2)
    with pytest.raises(ShapeError, match="theta: expected the image's batch 2, got 6"):
        transformer(IMAGE)
