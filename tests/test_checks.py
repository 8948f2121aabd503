"""Bad input: each gives one error of ours that says the argument, what was expected, what was given, and the fix."""

import numpy as np
import pytest
import torch

import unwarp
from support.bad_input import Wrong, assert_refused, parameters
from unwarp import DeviceError, DtypeError, OptionError, ShapeError, UnwarpError, compat, make_grid, sample, warp
from unwarp.transforms import Affine, Projective

IMAGE, THETA, GRID = torch.rand(2, 3, 8, 8), torch.eye(2, 3).expand(2, 2, 3), torch.zeros(2, 4, 4, 2)


def _image(value, *, mode="bilinear"):
    return lambda: warp(value, THETA, "affine", mode=mode)


def _theta(value, transform="affine"):
    return lambda: warp(IMAGE, value, transform)


def _option(**options):
    return lambda: warp(IMAGE, THETA, "affine", **options)


def _fill(value, image=IMAGE, **options):
    return lambda: warp(image, THETA, "affine", fill_value=value, **{"padding_mode": "fill", **options})


WRONG_IMAGES = {
    "no batch": Wrong(
        _image(IMAGE[0, 0]), ShapeError, ("image:", "(batch, channels, *spatial)", "(8, 8)", "image[None]")
    ),
    "4D": Wrong(_image(IMAGE[..., None, None]), ShapeError, ("image:", "1 to 3", "(2, 3, 8, 8, 1, 1)", "axes")),
    "0-dim": Wrong(_image(torch.tensor(1.0)), ShapeError, ("image:", "(batch, channels", "()", "axes")),
    "empty batch": Wrong(_image(IMAGE[:0]), ShapeError, ("image:", "no empty", "(0, 3, 8, 8)", "Skip")),
    "no channel": Wrong(_image(IMAGE[:, :0]), ShapeError, ("image:", "no empty", "(2, 0, 8, 8)", "Skip")),
    "no pixel": Wrong(_image(IMAGE[..., :0]), ShapeError, ("image:", "no empty", "(2, 3, 8, 0)", "Skip")),
    "uint8": Wrong(_image(IMAGE.byte()), DtypeError, ("image:", "floating-point", "uint8", "image.float()", "nearest")),
    "uint16": Wrong(
        _image(IMAGE.to(torch.uint16), mode="nearest"), DtypeError, ("image:", "uint16", "image.to(torch.int32)")
    ),
    "bool": Wrong(_image(IMAGE > 0), DtypeError, ("image:", "floating-point", "bool", "image.float()", "nearest")),
    "float8": Wrong(_image(IMAGE.to(torch.float8_e5m2)), DtypeError, ("image:", "float16", "float8_e5m2", ".float()")),
    "float8 nearest": Wrong(
        _image(IMAGE.to(torch.float8_e5m2), mode="nearest"),
        DtypeError,
        ("image:", "float16", "float8_e5m2", ".float()"),
    ),
    "sparse": Wrong(_image(IMAGE.to_sparse()), DtypeError, ("image:", "dense", "sparse_coo", "to_dense()")),
    "None": Wrong(_image(None), DtypeError, ("image:", "torch.Tensor", "NoneType", "torch.as_tensor")),
    "list": Wrong(_image([[1.0]]), DtypeError, ("image:", "torch.Tensor", "list", "torch.as_tensor")),
    "numpy": Wrong(
        _image(np.zeros((1, 1, 4, 4))), DtypeError, ("image:", "torch.Tensor", "ndarray", "torch.as_tensor")
    ),
}

WRONG_THETAS = {
    "flat": Wrong(
        _theta(torch.zeros(2, 6)), ShapeError, ("theta:", "(batch, 2, 3) for Affine", "(2, 6)", "theta.view(-1, 2, 3)")
    ),
    "another family": Wrong(
        _theta(torch.zeros(2, 4)), ShapeError, ("theta:", "(batch, 2, 3)", "(2, 4)", "'similarity'")
    ),
    "homogeneous": Wrong(
        _theta(torch.zeros(2, 3, 3)), ShapeError, ("theta:", "(batch, 2, 3)", "(2, 3, 3)", "theta_shape")
    ),
    "no batch": Wrong(_theta(torch.eye(2, 3)), ShapeError, ("theta:", "(batch, 2, 3)", "(2, 3)", "theta[None]")),
    "one number": Wrong(_theta(torch.tensor(1.0)), ShapeError, ("theta:", "(batch, 2, 3)", "()", "theta_shape")),
    "too many axes": Wrong(
        _theta(torch.zeros(2, 1, 1, 2, 3)), ShapeError, ("theta:", "(batch, k, ...)", "(2, 1, 1, 2, 3)")
    ),
    "empty batch": Wrong(_theta(THETA[:0]), ShapeError, ("theta:", "no empty", "(0, 2, 3)", "Skip")),
    "no warp": Wrong(_theta(torch.zeros(2, 0, 2, 3)), ShapeError, ("theta:", "no empty", "(2, 0, 2, 3)", "Skip")),
    "batch": Wrong(_theta(torch.zeros(3, 2, 3)), ShapeError, ("theta:", "batch 2", "3", "(batch, k, ...)")),
    "integers": Wrong(_theta(THETA.long()), DtypeError, ("theta:", "float32", "int64", "theta.float()")),
    "complex": Wrong(_theta(THETA + 0j), DtypeError, ("theta:", "float32", "complex64", "theta.real")),
    "None": Wrong(_theta(None), DtypeError, ("theta:", "torch.Tensor", "NoneType", "torch.as_tensor")),
    "list": Wrong(_theta([[1.0]]), DtypeError, ("theta:", "torch.Tensor", "list", "torch.as_tensor")),
    "device": Wrong(_theta(THETA.to("meta")), DeviceError, ("theta:", "cpu", "meta", "theta.to(image.device)")),
}

WRONG_GRIDS = {
    "3D": Wrong(
        lambda: sample(IMAGE, torch.zeros(2, 4, 4, 3)),
        ShapeError,
        ("grid:", "(batch, *out, 2)", "(2, 4, 4, 3)", "x, y, z"),
    ),
    "flat": Wrong(lambda: sample(IMAGE, torch.zeros(2)), ShapeError, ("grid:", "(batch, *out, 2)", "(2,)")),
    "empty": Wrong(lambda: sample(IMAGE, GRID[:, :0]), ShapeError, ("grid:", "(batch, *out, 2)", "(2, 0, 4, 2)")),
    "batch": Wrong(lambda: sample(IMAGE, torch.zeros(3, 4, 2)), ShapeError, ("grid:", "batch 2", "3")),
    "integers": Wrong(lambda: sample(IMAGE, GRID.int()), DtypeError, ("grid:", "float32", "int32", "grid.float()")),
    "None": Wrong(lambda: sample(IMAGE, None), DtypeError, ("grid:", "torch.Tensor", "NoneType")),
    "device": Wrong(
        lambda: sample(IMAGE, GRID.to("meta")), DeviceError, ("grid:", "cpu", "meta", "grid.to(image.device)")
    ),
}

WRONG_SIZES = {
    "zero": Wrong(_option(size=(0, 4)), ShapeError, ("size:", "1 to", "(0, 4)", "pixels")),
    "negative": Wrong(_option(size=(4, -1)), ShapeError, ("size:", "1 to", "(4, -1)", "pixels")),
    "huge": Wrong(_option(size=(4, 10**20)), ShapeError, ("size:", "1 to 2^30", "100000000000000000000", "pixels")),
    "huge in all": Wrong(
        _option(size=(2**21, 2**21)), ShapeError, ("size:", "at most 2^40", "(2097152, 2097152)", "pixels")
    ),
    "bool": Wrong(_option(size=True), ShapeError, ("size:", "2 integers (height, width)", "True", "tuple of int")),
    "bools": Wrong(_option(size=(True, 4)), ShapeError, ("size:", "2 integers", "(True, 4)", "tuple of int")),
    "float": Wrong(_option(size=0.5), ShapeError, ("size:", "2 integers", "0.5", "tuple of int")),
    "floats": Wrong(_option(size=(4.0, 4.0)), ShapeError, ("size:", "2 integers", "(4.0, 4.0)", "tuple of int")),
    "text": Wrong(_option(size="44"), ShapeError, ("size:", "2 integers", "'44'", "tuple of int")),
    "tensor": Wrong(_option(size=torch.tensor([4, 4])), ShapeError, ("size:", "2 integers", "tensor([4, 4])", "tuple")),
    "too few": Wrong(_option(size=(4,)), ShapeError, ("size:", "2 integers (height, width)", "(4,)", "tuple of int")),
    "too many": Wrong(
        _option(size=(4, 4, 4)), ShapeError, ("size:", "2 integers (height, width)", "(4, 4, 4)", "tuple")
    ),
    "grid of None": Wrong(lambda: make_grid(None), ShapeError, ("size:", "1 to 3 integers", "None", "tuple of int")),
    "grid of four axes": Wrong(
        lambda: make_grid((1, 2, 3, 4)), ShapeError, ("size:", "1 to 3 integers", "(1, 2, 3, 4)")
    ),
    "grid of integers": Wrong(
        lambda: make_grid(4, dtype=torch.int64), DtypeError, ("dtype:", "float32", "int64", "dtype=")
    ),
}

WRONG_OPTIONS = {
    "mode": Wrong(_option(mode="bilinar"), OptionError, ("mode:", "nearest, bilinear", "'bilinar'", "'bilinear'")),
    "mode None": Wrong(_option(mode=None), OptionError, ("mode:", "nearest, bilinear", "None")),
    "mode list": Wrong(_option(mode=["bilinear"]), OptionError, ("mode:", "nearest, bilinear", "['bilinear']")),
    "padding": Wrong(
        _option(padding_mode="reflect"), OptionError, ("padding_mode:", "zeros, border", "'reflect'", "'reflection'")
    ),
    "padding None": Wrong(_option(padding_mode=None), OptionError, ("padding_mode:", "zeros, border", "None")),
    "backend": Wrong(_option(backend="nativ"), OptionError, ("backend:", "reference", "'nativ'", "'native'")),
    "backend None": Wrong(_option(backend=None), OptionError, ("backend:", "reference", "None")),
    "align_corners": Wrong(
        _option(align_corners="False"),
        OptionError,
        ("align_corners:", "True or False", "'False'", "False, the default"),
    ),
    "antialias": Wrong(_option(antialias=0.5), OptionError, ("antialias:", "at least 1", "0.5", "antialias=True")),
    "transform": Wrong(
        lambda: warp(IMAGE, THETA, "afine"), OptionError, ("transform:", "affine", "'afine'", "'affine'")
    ),
    "transform None": Wrong(lambda: warp(IMAGE, THETA, None), OptionError, ("transform:", "affine", "None")),
    "transform list": Wrong(
        lambda: warp(IMAGE, THETA, ["affine"]), OptionError, ("transform:", "affine", "['affine']")
    ),
    "transform class": Wrong(
        lambda: warp(IMAGE, THETA, Affine), OptionError, ("transform:", "affine", "Affine", "Affine(")
    ),
    "transform in 3D": Wrong(
        lambda: warp(IMAGE, THETA, Affine(3)), ShapeError, ("transform:", "2 dimensions", "ndim=3", "Affine(ndim=2)")
    ),
}

WRONG_FILLS = {
    "without fill": Wrong(
        _fill(0.5, padding_mode="zeros"), OptionError, ("fill_value:", "'zeros'", "0.5", "padding_mode='fill'")
    ),
    "channels": Wrong(_fill([1.0, 2.0]), ShapeError, ("fill_value:", "3 channels", "(2,)", "one number a channel")),
    "matrix": Wrong(
        _fill(torch.zeros(3, 1)), ShapeError, ("fill_value:", "3 channels", "(3, 1)", "one number a channel")
    ),
    "text": Wrong(_fill("red"), DtypeError, ("fill_value:", "number", "'red'", "fill_value=0.5")),
    "None": Wrong(_fill(None), DtypeError, ("fill_value:", "number", "None", "fill_value=0.5")),
    "ragged": Wrong(_fill([[1.0], [2.0, 3.0]]), DtypeError, ("fill_value:", "number", "[[1.0], [2.0, 3.0]]", "list")),
    "fraction": Wrong(
        _fill(0.5, IMAGE.byte(), mode="nearest"), DtypeError, ("fill_value:", "uint8", "0.5", "whole number")
    ),
    "range": Wrong(
        _fill(256, IMAGE.byte(), mode="nearest"), DtypeError, ("fill_value:", "uint8", "256", "in its range")
    ),
    "NaN": Wrong(
        _fill(float("nan"), IMAGE.byte(), mode="nearest"), DtypeError, ("fill_value:", "uint8", "nan", "floating-point")
    ),
    "complex": Wrong(_fill(1j), DtypeError, ("fill_value:", "float32", "1j")),
}

WRONG_COMPAT = {
    "mode": Wrong(
        lambda: compat.grid_sample(IMAGE, GRID, "cubic"), OptionError, ("mode:", "bicubic", "'cubic'", "'bicubic'")
    ),
    "padding": Wrong(
        lambda: compat.grid_sample(IMAGE, GRID, padding_mode="fill"), OptionError, ("padding_mode:", "zeros", "'fill'")
    ),
    "input": Wrong(
        lambda: compat.grid_sample(IMAGE[0], GRID),
        ShapeError,
        ("input:", "(batch, channels, h, w)", "(3, 8, 8)", "unwarp.sample"),
    ),
    "input None": Wrong(lambda: compat.grid_sample(None, GRID), DtypeError, ("input:", "torch.Tensor", "NoneType")),
    "theta": Wrong(
        lambda: compat.affine_grid(THETA, (3, 1, 4, 4)), ShapeError, ("theta:", "(3, 2, 3)", "(2, 2, 3)", "batch")
    ),
    "theta list": Wrong(
        lambda: compat.affine_grid([[1.0]], (1, 1, 4, 4)), DtypeError, ("theta:", "torch.Tensor", "list")
    ),
    "size": Wrong(
        lambda: compat.affine_grid(THETA, (4, 4)),
        ShapeError,
        ("size:", "(batch, channels, h, w)", "(4, 4)", "make_grid"),
    ),
    "size zero": Wrong(lambda: compat.affine_grid(THETA, (2, 1, 0, 4)), ShapeError, ("size:", "1 to", "(0, 4)")),
    "size None": Wrong(
        lambda: compat.affine_grid(THETA, None), ShapeError, ("size:", "(batch, channels, h, w)", "None")
    ),
}

TABLES = {
    "image": WRONG_IMAGES,
    "theta": WRONG_THETAS,
    "grid": WRONG_GRIDS,
    "size": WRONG_SIZES,
    "option": WRONG_OPTIONS,
    "fill": WRONG_FILLS,
    "compat": WRONG_COMPAT,
}


@pytest.mark.parametrize("wrong", parameters(TABLES))
def test_bad_input_gives_one_clear_error(wrong):
    assert_refused(wrong)


def test_errors_are_the_builtins_that_users_of_torch_catch():
    builtins = {ShapeError: ValueError, DtypeError: TypeError, DeviceError: ValueError, OptionError: ValueError}
    assert all(issubclass(ours, theirs) and issubclass(ours, UnwarpError) for ours, theirs in builtins.items())


@pytest.mark.parametrize("family", unwarp.transforms.TRANSFORMS)
def test_every_family_refuses_a_theta_of_another_shape(family):
    with pytest.raises(ShapeError, match=r"theta: expected \(batch, .* got \(2, 3, 1, 1, 1\)"):
        warp(IMAGE, torch.zeros(2, 3, 1, 1, 1), family)


@pytest.mark.parametrize("size", [5, [5, 5], (5, 5), torch.Size([5, 5]), (np.int64(5), 5)])
def test_sizes_that_are_right_are_taken(size):
    assert warp(IMAGE, THETA, "affine", size).shape == (2, 3, 5, 5)


@pytest.mark.parametrize(
    "fill", [1, 0.5, np.float32(0.5), [0.5, 1.0, 2.0], torch.tensor([0.5, 1.0, 2.0]), float("nan")]
)
def test_fill_values_that_are_right_are_taken(fill):
    outside = warp(
        IMAGE, THETA + torch.tensor([[0, 0, 9.0], [0, 0, 0]]), "affine", padding_mode="fill", fill_value=fill
    )
    expected = torch.as_tensor(fill, dtype=torch.float32).expand(3)[None, :, None, None].expand_as(outside)
    torch.testing.assert_close(outside, expected, atol=0, rtol=0, equal_nan=True)


def test_a_projective_theta_is_no_matrix():
    with pytest.raises(ShapeError, match=r"expected \(batch, 8\) for Projective"):
        warp(IMAGE, torch.eye(3).expand(2, 3, 3), Projective())
