"""`compat` against the functions whose signatures it has: values, gradients and, but for what is listed, errors."""

import inspect
import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from support.generators import generator, image, off_lattice_grid
from support.tolerances import assert_matches
from unwarp import compat

sizes = st.integers(1, 7)
alignments = st.sampled_from([None, False, True])
dtypes = st.sampled_from([torch.float32, torch.float64])


@st.composite
def spatial_sizes(draw, ndim):
    return tuple(draw(sizes) for _ in range(ndim))


def outcome(function, *args, **options):
    """The result, or that it raised. Torch's warnings, of its changed defaults, are no result."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return function(*args, **options)
        except (RuntimeError, ValueError, TypeError, NotImplementedError):
            return None


@given(st.data())
def test_grid_sample_is_that_of_torch(data):
    ndim = data.draw(st.sampled_from([2, 3]))
    size_in, size_out = data.draw(spatial_sizes(ndim)), data.draw(spatial_sizes(ndim))
    options = {
        "mode": data.draw(st.sampled_from(["bilinear", "nearest"] + ["bicubic"] * (ndim == 2))),
        "padding_mode": data.draw(st.sampled_from(["zeros", "border", "reflection"])),
        "align_corners": data.draw(alignments),
    }
    batch, channels, dtype = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3)), data.draw(dtypes)
    # In torch all positions along an axis of one pixel are that pixel's with align_corners, and so for us.
    grid = off_lattice_grid(size_in, size_out, align_corners=bool(options["align_corners"]), batch=batch, dtype=dtype)
    source = image(size_in, batch=batch, channels=channels, dtype=dtype)
    found = []
    for function in (compat.grid_sample, functional.grid_sample):
        leaves = source.clone().requires_grad_(), grid.clone().requires_grad_()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = function(*leaves, **options)
        weights = torch.rand(result.shape, generator=generator(1), dtype=torch.float64).to(dtype)
        found.append((result.detach(), *torch.autograd.grad(result, leaves, weights)))
    for what, ours, theirs in zip(("values", "input gradient", "grid gradient"), *found, strict=True):
        assert_matches(ours, theirs, "torch", what=what)


@given(st.data())
def test_affine_grid_is_that_of_torch(data):
    ndim = data.draw(st.sampled_from([2, 3]))
    batch, dtype, align_corners = data.draw(st.integers(1, 3)), data.draw(dtypes), data.draw(alignments)
    theta = torch.randn(batch, ndim, ndim + 1, generator=generator(data.draw(st.integers(0, 99))), dtype=torch.float64)
    size = (batch, data.draw(st.integers(1, 3)), *data.draw(spatial_sizes(ndim)))
    ours = compat.affine_grid(theta.to(dtype), size, align_corners)
    assert_matches(ours, outcome(functional.affine_grid, theta.to(dtype), size, align_corners), "torch")


BEYOND_TORCH = {
    "an input of batch 1": lambda source, grid: (source[:1], grid),
    "a grid of batch 1": lambda source, grid: (source, grid[:1]),
    "half beside float32": lambda source, grid: (source.half(), grid),
    "double beside float32": lambda source, grid: (source, grid.double()),
    "any output axes": lambda source, grid: (source, grid.flatten(1, 2)),
    "complex": lambda source, grid: (source + 0j, grid),
}
REFUSED = {
    "no tensors": lambda source, grid: (source.tolist(), grid.tolist()),
    "no batch": lambda source, grid: (source[0], grid[0]),
    "one axis more": lambda source, grid: (source[..., None], grid),
    "other batches": lambda source, grid: (source[:1].expand(3, -1, -1, -1), grid),
    "another dimension": lambda source, grid: (source, torch.cat([grid, grid[..., :1]], -1)),
    "no pixels": lambda source, grid: (source[..., :0], grid),
    "integers": lambda source, grid: (source.long(), grid),
    "an integer grid": lambda source, grid: (source, grid.long()),
    "another device": lambda source, grid: (source, grid.to("meta")),
}


@pytest.mark.parametrize("case", BEYOND_TORCH)
def test_what_torch_refuses_and_we_do_not(case):
    arguments = BEYOND_TORCH[case](image((5, 6)), torch.zeros(2, 3, 4, 2))
    assert outcome(functional.grid_sample, *arguments) is None
    assert compat.grid_sample(*arguments).shape[:2] == (2, 3)


@pytest.mark.parametrize("case", REFUSED)
def test_what_torch_refuses_and_we_do_too(case):
    arguments = REFUSED[case](image((5, 6)), torch.zeros(2, 3, 4, 2))
    assert outcome(functional.grid_sample, *arguments) is None
    assert outcome(compat.grid_sample, *arguments) is None


@pytest.mark.parametrize("options", [{"mode": "linear"}, {"mode": "lanczos3"}, {"padding_mode": "circular"}])
def test_options_that_torch_does_not_have_are_refused(options):
    for function in (functional.grid_sample, compat.grid_sample):
        assert outcome(function, image((5, 6)), torch.zeros(2, 3, 4, 2), **options) is None


@pytest.mark.parametrize(
    ("theta_shape", "size"),
    [
        ((2, 2, 3), (2, 1, 4)),
        ((2, 2, 3), (3, 1, 4, 4)),
        ((2, 3, 4), (2, 1, 4, 4)),
        ((2, 2, 3), (2, 1, 4, 4, 4)),
        ((2, 6), (2, 1, 4, 4)),
        ((2, 2, 3), (2, 1, 0, 4)),
        ((2, 2, 3), (2, 1, -4, 4)),
    ],
)
def test_sizes_and_thetas_that_do_not_fit_are_refused(theta_shape, size):
    for function in (functional.affine_grid, compat.affine_grid):
        assert outcome(function, torch.zeros(theta_shape), size) is None


def test_the_signatures_are_those_of_torch():
    for name in ("grid_sample", "affine_grid"):
        ours, theirs = (inspect.signature(getattr(module, name)).parameters for module in (compat, functional))
        assert list(ours) == list(theirs)
        assert [p.default for p in ours.values()] == [p.default for p in theirs.values()]


def test_half_thetas_give_half_grids():
    theta = torch.eye(2, 3, dtype=torch.bfloat16)[None]
    assert compat.affine_grid(theta, (1, 1, 5, 6)).dtype == torch.bfloat16
    expected = outcome(functional.affine_grid, theta, (1, 1, 5, 6))
    assert_matches(compat.affine_grid(theta, (1, 1, 5, 6)), expected, "rounded")


def test_a_nan_position_gives_nan_to_its_sample_and_its_gradient_alone():
    """The backward pass of torch 2.13 on the CPU crashes on it."""
    source, grid = image((5, 6)).requires_grad_(), torch.zeros(2, 3, 4, 2)
    grid[0, 1, 2, 0] = float("nan")
    grid.requires_grad_()
    sampled = compat.grid_sample(source, grid)
    sampled.sum().backward()
    assert sampled.isnan().sum() == 3
    assert grid.grad.isnan().any(-1).sum() == 1
    assert source.grad.isfinite().all()
