import pytest
import torch
from torch import nn

import unwarp
from support.generators import generator, image, off_lattice_grid, smooth_image
from support.tolerances import assert_matches, assert_same
from unwarp.nn import (
    LinearisedSampler,
    ParallelSpatialTransformer,
    RecurrentSpatialTransformer,
    Sampler,
    SpatialTransformer,
)
from unwarp.transforms import Affine, LearnedBasis


def seeded(**options):
    return LinearisedSampler(generator=generator(3), **options)


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_values_and_the_gradient_of_the_image_are_the_samplers_own(padding, ndim):
    size = (9, 7, 5)[:ndim]
    plain = Sampler(padding_mode=padding)
    grid = off_lattice_grid(size, (6,), align_corners=False, dtype=torch.float32)
    results = []
    for sampler in (plain, LinearisedSampler(plain, generator=generator())):
        x, positions = image(size).requires_grad_(), grid.clone().requires_grad_()
        sampled = sampler(x, positions)
        results.append((sampled, torch.autograd.grad(sampled.square().sum(), x)[0]))
    assert_same(results[1][0], results[0][0])
    assert_same(results[1][1], results[0][1])


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("align_corners", [False, True])
def test_on_a_linear_image_the_gradient_is_its_slope(align_corners, ndim):
    """Where all planes agree: bilinear sampling is exact, and so is the fit."""
    size = (40, 30, 35)[:ndim]
    slopes = torch.tensor([0.5, -0.2, 0.3], dtype=torch.float64)[:ndim]
    pixels = torch.stack(torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in size), indexing="ij")[::-1], -1)
    x = (pixels @ slopes)[None, None]
    grid = 0.2 * (torch.rand(1, 5, ndim, generator=generator(), dtype=torch.float64) - 0.5)
    grid.requires_grad_()
    sampler = LinearisedSampler(Sampler(align_corners=align_corners), samples=12, generator=generator(1))
    (gradient,) = torch.autograd.grad(sampler(x, grid).sum(), grid)
    extents = [(n - 1) / 2 if align_corners else n / 2 for n in reversed(size)]
    expected = (slopes * torch.tensor(extents, dtype=torch.float64)).expand(1, 5, ndim)
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=0)  # the ridge takes 1e-6 of the slope


def test_the_fit_is_least_squares():
    x = image((12, 13), batch=1, channels=2, dtype=torch.float64)
    grid = off_lattice_grid((12, 13), (4,), align_corners=False, batch=1, reach=0).requires_grad_()
    sampler = seeded(samples=9, spread=1.7)
    sampled = sampler(x, grid)
    (gradient,) = torch.autograd.grad(sampled[0, 1].sum(), grid)

    drawn, offsets, rises = generator(3), [], []
    for _ in range(9):
        offset = 1.7 * torch.randn(grid.shape, generator=drawn, dtype=torch.float64)
        offsets.append(offset[0])
        moved = grid.detach() + offset / torch.tensor([13 / 2, 12 / 2], dtype=torch.float64)
        rises.append((unwarp.sample(x, moved) - sampled.detach())[0, 1])
    for point in range(4):
        design = torch.stack([offset[point] for offset in offsets])
        slope = torch.linalg.lstsq(design, torch.stack([rise[point] for rise in rises])).solution
        expected = slope * torch.tensor([13 / 2, 12 / 2], dtype=torch.float64)
        torch.testing.assert_close(gradient[0, point], expected, rtol=1e-5, atol=1e-5)


def test_the_same_seed_gives_the_same_gradient_and_another_does_not():
    x, theta = image((20, 20)), torch.eye(2, 3).repeat(2, 1, 1) * 1.1
    gradients = []
    for seed in (0, 0, 1):
        sampler = LinearisedSampler(generator=generator(seed))
        moved = theta.clone().requires_grad_()
        sampler.warp(x, moved, unwarp.transforms.Affine(), (5, 5)).square().sum().backward()
        gradients.append(moved.grad)
    assert_same(gradients[0], gradients[1])
    assert not torch.equal(gradients[0], gradients[2])


def test_its_gradient_points_home_where_a_bilinear_one_is_lost_in_detail():
    """A slow wave under strong noise, sampled every 16th pixel, to be moved back by up to 20 pixels."""
    n, out = 512, 32
    position = torch.arange(n) - (n - 1) / 2
    wave = torch.sin(position / 25)
    noisy = (wave + 0.7 * torch.randn(n, generator=generator(0))).view(1, 1, n)
    target = wave.view(1, 1, out, n // out).mean(-1)
    shifts = torch.tensor([s for s in range(-20, 21, 2) if s])
    right = {}
    for name, sampler in (("bilinear", Sampler()), ("linearised", seeded(spread=12.0, samples=15))):
        theta = (shifts / (n / 2))[:, None].requires_grad_()
        warped = sampler.warp(noisy, theta, unwarp.transforms.Translation(ndim=1), (out,))
        (warped - target).square().sum().backward()
        right[name] = (theta.grad[:, 0].sign() == shifts.sign()).float().mean().item()
    assert right["bilinear"] < 0.8
    assert right["linearised"] > 0.9


def test_serves_a_spatial_transformer():
    transformer = SpatialTransformer(nn.Flatten(), features=64)
    transformer.sampler = LinearisedSampler(transformer.sampler)
    digits = smooth_image((8, 8), batch=2)
    assert_same(transformer(digits), digits)
    transformer(digits).square().sum().backward()
    assert transformer.regression.bias.grad.abs().max() > 0


@pytest.mark.parametrize(
    "transformer",
    [
        lambda: SpatialTransformer(nn.Flatten(), features=64, count=2),
        lambda: ParallelSpatialTransformer(nn.Flatten(), features=64, count=2),
        lambda: RecurrentSpatialTransformer(nn.Flatten(), features=64, steps=2, hidden=4),
    ],
)
def test_serves_transformers_of_several_warps(transformer):
    transformer = transformer()
    plain = transformer.sampler
    digits = smooth_image((8, 8), batch=3)
    expected = transformer(digits)
    transformer.sampler = LinearisedSampler(plain)
    assert_same(transformer(digits), expected)
    warped, theta = transformer(digits, return_theta=True)
    (gradient,) = torch.autograd.grad(warped.square().sum(), theta)
    assert gradient.abs().amax((0, 2, 3)).min() > 0  # of each warp


@pytest.mark.parametrize("antialias", [False, True])
def test_several_warps_are_as_many_images_of_one_warp(antialias):
    x, theta = image((12, 13), batch=3), 0.5 * torch.eye(2, 3) + 0.1 * torch.rand(3, 2, 2, 3, generator=generator(5))
    results = []
    for images, thetas in ((x, theta), (x.repeat_interleave(2, 0), theta.flatten(0, 1))):
        moved = thetas.clone().requires_grad_()
        warped = seeded(sampler=Sampler(antialias=antialias)).warp(images, moved, Affine(), (5, 4))
        results.append((warped.reshape(6, -1), torch.autograd.grad(warped.square().sum(), moved)[0].reshape(6, 2, 3)))
    assert_same(results[0][0], results[1][0])
    torch.testing.assert_close(results[0][1], results[1][1])


@pytest.mark.parametrize(("images", "thetas"), [(3, 3), (1, 3), (3, 1)])
def test_several_warps_of_a_linear_image_have_its_slope(images, thetas):
    rows, columns = torch.meshgrid(torch.arange(40.0), torch.arange(36.0), indexing="ij")
    steps = torch.arange(1, images + 1, dtype=torch.float64).view(-1, 1, 1, 1)
    x = steps * (0.5 * columns - 0.2 * rows).double()
    theta = 0.2 * torch.eye(2, 3, dtype=torch.float64).repeat(thetas, 2, 1, 1)
    theta = theta + 0.1 * torch.rand(theta.shape, generator=generator(), dtype=torch.float64)
    results = []
    for sampler in (Sampler(), seeded(samples=12)):
        moved = theta.clone().requires_grad_()
        warped = sampler.warp(x, moved, "affine", (10, 9))
        assert warped.shape == (3, 2, 1, 10, 9)
        weight = torch.arange(warped.numel(), dtype=torch.float64).view_as(warped)
        results.append((warped, torch.autograd.grad((weight * warped).sum(), moved)[0]))
    assert_same(results[1][0], results[0][0])
    torch.testing.assert_close(results[1][1], results[0][1], rtol=1e-4, atol=0)  # the ridge takes 1e-6 of the slope


def test_it_has_the_options_of_the_sampler_it_wraps():
    options = {
        "mode": "bicubic",
        "padding_mode": "fill",
        "fill_value": 0.5,
        "align_corners": True,
        "antialias": 2.0,
        "backend": "reference",
    }
    sampler = LinearisedSampler(Sampler(**options))
    assert {name: getattr(sampler, name) for name in options} == options
    with pytest.raises(AttributeError):
        sampler.align_corners = False


@pytest.mark.parametrize("gradients", [False, True])
def test_no_plane_is_fitted_where_no_gradient_is_wanted(gradients, monkeypatch):
    sampler = LinearisedSampler()
    monkeypatch.setattr(Affine, "forward", lambda *_: pytest.fail("positions were computed"))
    x, theta = image((6, 6)), torch.eye(2, 3).repeat(2, 1, 1).requires_grad_(not gradients)
    with torch.set_grad_enabled(gradients):
        assert_same(sampler.warp(x, theta, Affine(), None), x)


def test_a_learned_transform_learns_where_theta_does_not():
    """By the slope of the plane alone, not by the sampler's as well."""
    family = LearnedBasis(features=2).double()
    x = torch.arange(40.0, dtype=torch.float64).expand(1, 1, 40, 40)
    theta = 0.5 * family.start()[None].double() + 0.01
    gradients = []
    for sampler in (Sampler(), seeded(samples=12)):
        warped = sampler.warp(x, theta, family, (8, 8))
        gradients.append(torch.autograd.grad(warped.sum(), family.fields)[0])
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-4, atol=1e-9)
    assert gradients[0].abs().max() > 0


def test_positions_without_a_value_or_a_plane():
    x = image((6, 6), batch=1, channels=1)
    grid = torch.tensor([[[float("nan"), 0.0], [float("inf"), 0.0], [0.1, 0.2]]], requires_grad=True)
    sampled = LinearisedSampler(Sampler(padding_mode="border"))(x, grid)
    assert sampled[0, 0].isnan().tolist() == [True, False, False]
    sampled.sum().backward()
    assert grid.grad[0].isnan().any(-1).tolist() == [True, False, False]


def test_one_pixel_with_aligned_corners_has_no_slope():
    grid = torch.zeros(1, 3, 2, requires_grad=True)
    sampler = LinearisedSampler(Sampler(align_corners=True, padding_mode="border"))
    sampler(image((1, 5), batch=1), grid).sum().backward()
    assert grid.grad.isfinite().all()
    assert_matches(grid.grad[..., 1], torch.zeros(1, 3), "rearranged")


@pytest.mark.parametrize(
    ("options", "message"), [({"samples": 0}, "samples: expected"), ({"spread": 0.0}, "spread: expected")]
)
def test_refuses(options, message):
    with pytest.raises(unwarp.OptionError, match=message):
        LinearisedSampler(**options)
