"""torch's own op behind our protocol: what it covers, and what was made safe."""

import pytest
import torch

import unwarp
from support.generators import image, off_lattice_grid, theta_near_identity
from support.tolerances import assert_matches
from support.twins import assert_twins
from unwarp import BackendError, sample, warp
from unwarp.backends import Sampling
from unwarp.backends.aten import Aten
from unwarp.kernels import Cubic, Linear, resolve
from unwarp.transforms import create

SIZES = {2: ((5, 8), (7, 4)), 3: ((3, 5, 4), (4, 2, 5))}


class Mine(Linear):
    """A user's kernel that inherits a name."""


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize(
    ("mode", "ndim"), [("nearest", 2), ("bilinear", 2), ("bicubic", 2), ("nearest", 3), ("bilinear", 3)]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_grid_gives_what_the_reference_gives(dtype, mode, ndim, padding, align_corners):
    size_in, size_out = SIZES[ndim]
    grid = off_lattice_grid(size_in, size_out, align_corners=align_corners, batch=4, dtype=dtype)
    scale = unwarp.coordinates.half_extents(size_in, align_corners=align_corners)
    chosen = Sampling(resolve(mode), padding, None, align_corners)

    def evaluate(backend, source, grid):
        return backend.sample_grid(source, grid, scale, chosen) / grid[0].numel()

    assert_twins(evaluate, Aten(), image(size_in, dtype=dtype), grid)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("family", ["affine", "projective", "thin_plate_spline", "diffeomorphic"])
def test_a_transform_gives_what_the_reference_gives(family, ndim):
    transform = create(family, ndim)
    size_in, size_out = SIZES[ndim]
    theta = theta_near_identity(transform, batch=4, spread=0.1)

    def evaluate(backend, source, theta):
        return warp(source, theta.unflatten(0, (2, 2)), transform, size_out, backend=backend.name) / theta[0].numel()

    assert_twins(evaluate, Aten(), image(size_in, dtype=torch.float64), theta)


@pytest.mark.parametrize(
    ("source", "options", "reason"),
    [
        (image((9,)), {}, "2 and 3 dimensions"),
        (image((4, 5)), {"mode": "lanczos3"}, "no lanczos3 kernel"),
        (image((4, 5)), {"mode": Mine()}, "no bilinear kernel"),
        (image((4, 5)), {"mode": Cubic(-0.5)}, "a=-0.75 only"),
        (image((3, 4, 5)), {"mode": "bicubic"}, "in 2 dimensions"),
        (image((4, 5)), {"padding_mode": "circular"}, "no circular padding"),
        (image((4, 5)), {"padding_mode": "fill"}, "no fill padding"),
        (image((4, 5)), {"antialias": True}, "no anti-aliasing"),
        (image((4, 5), dtype=torch.float16), {}, "float32 or float64 image, got torch.float16"),
        (image((4, 5), dtype=torch.complex64), {}, "got torch.complex64"),
        (image((4, 5), dtype=torch.uint8), {"mode": "nearest"}, "got torch.uint8"),
    ],
)
def test_what_torch_does_not_have_is_refused(source, options, reason):
    theta = create("affine", source.ndim - 2).identity().expand(2, -1, -1)
    with pytest.raises(
        BackendError, match=rf"backend: 'aten' cannot evaluate this: torch .*{reason}.* Use backend='auto'\."
    ):
        warp(source, theta, "affine", backend="aten", **options)


@pytest.mark.parametrize("out", [(5,), (2, 3, 4), (2, 1, 3, 2)])
def test_any_number_of_output_axes(out):
    source, grid = image((4, 5), dtype=torch.float64), off_lattice_grid((4, 5), out, align_corners=False)
    assert sample(source, grid, backend="aten").shape == (2, 3, *out)
    assert_matches(sample(source, grid, backend="aten"), sample(source, grid, backend="reference"), "backend")


def test_an_axis_of_one_pixel_is_that_pixel():
    source, grid = image((1, 5), dtype=torch.float64), torch.rand(2, 6, 2, dtype=torch.float64) * 2 - 1
    options = {"align_corners": True, "padding_mode": "border"}
    found = sample(source, grid, backend="aten", **options)
    assert_matches(found, sample(source, grid, backend="reference", **options), "backend")
