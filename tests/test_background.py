"""`fill_value="background"`: each image continued by the median of its own border."""

import pytest
import torch

import unwarp
from support.families import CASES, small
from support.generators import generator, image, theta_near_identity
from support.tolerances import assert_matches
from unwarp import background
from unwarp.errors import DtypeError, OptionError
from unwarp.nn import ConvLocaliser, LinearisedSampler, Sampler, SpatialTransformer

FILL = {"padding_mode": "fill", "fill_value": "background"}
SHIFT = torch.tensor([[0.8, 0.0]])


def test_it_is_the_median_of_the_border():
    source = torch.full((2, 1, 4, 4), 3.0)
    source[0, 0, 0] = 0.0  # one side of four
    source[1, 0, :, 0], source[1, 0, -1], source[1, 0, :, -1] = 0.0, 0.0, 0.0  # three sides
    source[:, 0, 1:-1, 1:-1] = 9.0  # inside: not the border
    assert background.of_border(source).tolist() == [[3.0], [0.0]]
    assert torch.equal(background.of_border(source.flip(2, 3)), background.of_border(source))


@pytest.mark.parametrize("size", [(1,), (7,), (1, 1), (2, 3), (3, 4, 5)])
def test_it_is_a_value_of_the_border_in_every_dimension(size):
    source = image(size)
    found = background.of_border(source)
    assert found.shape == (2, 3)
    assert all(value in pixels for value, pixels in zip(found.flatten(), source.flatten(0, 1), strict=True))
    assert torch.equal(background.of_border(torch.full((2, 3, *size), 0.3)), torch.full((2, 3), 0.3))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.bool, torch.float16, torch.bfloat16, torch.float64])
def test_it_has_the_dtype_of_the_image(dtype):
    source = image((5, 6), dtype=dtype)
    warped = unwarp.warp(source, SHIFT, "translation", mode="nearest", **FILL)
    assert warped.dtype == dtype
    assert torch.equal(warped[..., -1], background.of_border(source)[..., None].expand(2, 3, 5))


def test_complex_images_take_both_medians():
    source = torch.complex(image((5, 6)), image((5, 6), seed=1))
    warped = unwarp.warp(source, SHIFT, "translation", **FILL)
    assert torch.equal(warped.real[..., -1, -1], background.of_border(source.real))
    assert torch.equal(warped.imag[..., -1, -1], background.of_border(source.imag))


@pytest.mark.parametrize(("family", "ndim"), CASES)
def test_each_image_is_filled_by_its_own_and_the_rest_is_as_with_fill(family, ndim):
    transform, source = small(family, ndim), image((7, 6, 5)[:ndim], dtype=torch.float64)
    theta = theta_near_identity(transform, spread=0.6)
    warped = unwarp.warp(source, theta, transform, **FILL)
    for index, values in enumerate(background.of_border(source)):
        one, its_theta = source[index][None], theta[index][None]
        alone = unwarp.warp(one, its_theta, transform, padding_mode="fill", fill_value=values)
        assert_matches(warped[index], alone[0], "rearranged")


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic", "lanczos3", "bspline3"])
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("antialias", [False, True])
def test_every_kernel(mode, align_corners, antialias):
    source, theta = image((9, 8), batch=1, dtype=torch.float64), torch.tensor([[[1.4, 0.2, 0.1], [-0.3, 1.6, 0.2]]])
    options = {"mode": mode, "align_corners": align_corners, "antialias": antialias}
    expected = unwarp.warp(
        source, theta.double(), "affine", padding_mode="fill", fill_value=background.of_border(source)[0], **options
    )
    torch.testing.assert_close(unwarp.warp(source, theta.double(), "affine", **options, **FILL), expected)


def test_samples_at_a_grid():
    source = image((6, 6))
    grid = 3 * torch.rand(2, 4, 7, 2, generator=generator()) - 1.5
    sampled = unwarp.sample(source, grid, **FILL)
    for index, values in enumerate(background.of_border(source)):
        alone = unwarp.sample(source[index][None], grid[index][None], padding_mode="fill", fill_value=values)
        assert torch.equal(sampled[index], alone[0])


def test_shared_images_shared_thetas_and_several_warps():
    source, theta = image((6, 6)), torch.tensor([[[0.9, 0.0], [0.0, -0.9], [0.1, 0.1]]])
    both = unwarp.warp(source, theta, "translation", **FILL)
    assert both.shape == (2, 3, 3, 6, 6)
    for index in range(3):
        assert torch.equal(both[:, index], unwarp.warp(source, theta[:, index], "translation", **FILL))
    one = unwarp.warp(source[:1], theta.expand(2, 3, 2), "translation", **FILL)
    assert torch.equal(one, both[:1].expand(2, 3, 3, 6, 6))


def test_nan_and_infinite_positions():
    grid = torch.tensor([[float("nan"), 0.0], [float("inf"), 0.0], [-float("inf"), 1e30], [0.0, 0.0]])
    source = image((5, 5), batch=1)
    sampled = unwarp.sample(source, grid[None], **FILL)
    assert sampled[..., 0].isnan().all()
    fill = background.of_border(source)
    assert torch.equal(sampled[..., 1], fill)
    assert torch.equal(sampled[..., 2], fill)
    assert torch.equal(sampled[..., 3], source[..., 2, 2])


def test_gradients():
    source = image((4, 5), channels=2, dtype=torch.float64).requires_grad_()
    theta = torch.tensor([[[1.33, 0.21, 0.17], [-0.13, 1.41, 0.09]]], dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda s, t: unwarp.warp(s, t, "affine", **FILL), (source, theta))


def test_modules_take_it():
    source = image((28, 28), channels=1) + 5
    transformer = SpatialTransformer(ConvLocaliser(1, 28), "translation", **FILL)
    with torch.no_grad():
        transformer.regression.bias.copy_(SHIFT[0])
    warped = transformer(source)
    assert torch.equal(warped[..., -1], background.of_border(source)[..., None].expand(2, 1, 28))
    assert torch.equal(LinearisedSampler(transformer.sampler).warp(source, SHIFT, transformer.transform, None), warped)


def test_it_compiles_to_one_graph_and_exports():
    class Warp(torch.nn.Module):
        def forward(self, source, theta):
            return unwarp.warp(source, theta, "affine", **FILL)

    torch.compiler.reset()
    arguments = (image((6, 7)), 1.5 * torch.eye(2, 3).expand(2, 2, 3))
    expected = Warp()(*arguments)
    compiled = torch.compile(Warp(), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*arguments), expected)
    torch.testing.assert_close(torch.export.export(Warp(), arguments).module()(*arguments), expected)


@pytest.mark.parametrize(
    "call",
    [
        lambda **options: unwarp.warp(image((4, 4)), SHIFT, "translation", **options),
        lambda **options: unwarp.sample(image((4, 4)), torch.zeros(2, 3, 2), **options),
        lambda **options: Sampler(**options),
    ],
)
def test_other_words_and_paddings_are_refused(call):
    with pytest.raises(DtypeError, match=r"fill_value: expected a number, .* or 'background', got 'backgrund'\."):
        call(padding_mode="fill", fill_value="backgrund")
    with pytest.raises(OptionError, match=r"fill_value: expected 0 with padding_mode='zeros'.*Use padding_mode='fill'"):
        call(fill_value="background")
