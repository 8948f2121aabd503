from io import BytesIO

import pytest
import torch
from matplotlib.colors import to_hex
from PIL import Image

from unwarp import viz
from unwarp.errors import OptionError, ShapeError
from unwarp.transforms import Affine, Attention


def affine_case(count):
    images = torch.rand(count, 1, 20, 24)
    return images, images[..., :14, :14], Affine().identity().expand(count, 2, 3)


def shown(ax):
    return torch.tensor(ax.images[0].get_array().filled())


def test_each_sample_shows_its_input_beside_its_output():
    images, outputs, theta = affine_case(5)
    axes = viz.transformer_figure(images, outputs, theta, Affine(), captions=list("abcde"), pairs_per_row=3).axes
    assert len(axes) == 10
    for index in range(5):
        left, right = axes[2 * index], axes[2 * index + 1]
        assert left.get_title(loc="left") == "abcde"[index]
        assert torch.equal(shown(left), images[index, 0])
        assert torch.equal(shown(right), outputs[index, 0])
        assert not right.lines


def test_the_margin_is_a_part_of_each_pictures_size():
    left, right = viz.transformer_figure(*affine_case(1), Affine(), margin=0.25).axes
    assert (left.get_xlim(), left.get_ylim()) == ((-6.5, 29.5), (24.5, -5.5))
    assert (right.get_xlim(), right.get_ylim()) == ((-4.0, 17.0), (17.0, -4.0))


def test_rows_of_wide_pictures_are_lower():
    theta = Affine().identity().expand(4, 2, 3)
    square, wide = (
        viz.transformer_figure(torch.rand(4, 1, h, 32), torch.rand(4, 1, h, 32), theta, Affine()) for h in (32, 8)
    )
    assert wide.get_figheight() < 0.5 * square.get_figheight()
    assert wide.get_figwidth() == square.get_figwidth()


def test_each_input_shows_its_own_region_and_each_output_a_frame_of_its_size():
    images, outputs, _ = affine_case(2)
    theta = torch.tensor([[[1.0, 0, 0], [0, 1, 0]], [[0.5, 0, 0], [0, 0.5, 0]]])
    axes = viz.transformer_figure(images, outputs, theta, Affine()).axes
    widths = [ax.lines[0].get_xdata().max() - ax.lines[0].get_xdata().min() for ax in axes[::2]]
    assert widths == [24, 12]
    assert [ax.patches[0].get_bbox().bounds for ax in axes[1::2]] == [(-0.5, -0.5, 14, 14)] * 2


def test_the_last_row_says_which_is_which():
    axes = viz.transformer_figure(*affine_case(5), Affine(), pairs_per_row=3).axes
    assert [ax.get_xlabel() for ax in axes] == ["", ""] * 2 + ["input", "output"] * 3


def test_each_of_k_outputs_is_framed_in_the_colour_of_its_region():
    theta = torch.tensor([[0.5, -0.4, -0.3], [0.5, 0.4, 0.3]]).expand(2, 2, 3)
    figure = viz.transformer_figure(torch.rand(2, 3, 20, 20), torch.rand(2, 2, 3, 9, 9), theta, Attention())
    left, first, second = figure.axes[:3]
    # An outline and a dot a region.
    regions = [line.get_color() for line in left.lines][::2]
    frames = [to_hex(ax.patches[0].get_edgecolor()) for ax in (first, second)]
    assert [to_hex(color) for color in regions] == frames
    assert frames[0] != frames[1]


def test_the_picture_holds_the_pixels_of_the_images():
    images = torch.zeros(1, 3, 8, 8)
    images[:, 2] = 1
    figure = viz.transformer_figure(images, images, Affine().identity()[None], Affine())
    pixels = torch.tensor(list(Image.open(BytesIO(viz.encode_png(figure))).convert("RGB").get_flattened_data()))
    blue = (pixels == torch.tensor([0, 0, 255])).all(-1).float().mean()
    assert 0.3 < blue < 0.9


def test_bytes_and_floats_look_the_same_and_what_is_outside_is_cut():
    image = torch.tensor([[0, 128], [255, 64]], dtype=torch.uint8)
    assert torch.equal(shown(viz.show_image(image)), shown(viz.show_image(image.float() / 255)))
    assert shown(viz.show_image(torch.tensor([[[-1.0, 2.0]]]))).tolist() == [[0.0, 1.0]]


def test_shows_a_half_precision_image_that_carries_a_gradient():
    image = torch.rand(1, 4, 4).to(torch.bfloat16).requires_grad_()
    assert torch.equal(shown(viz.show_image(image)), image[0].detach().float())


def test_refuses_images_that_cannot_be_shown():
    with pytest.raises(ShapeError, match=r"image: expected .* got \(2, 8, 8\)"):
        viz.show_image(torch.rand(2, 8, 8))


def test_refuses_counts_that_differ():
    images, outputs, theta = affine_case(4)
    with pytest.raises(ShapeError, match=r"expected one each for every sample, got \[4, 4, 3\]"):
        viz.transformer_figure(images, outputs, theta[:3], Affine())
    with pytest.raises(ShapeError, match=r"captions: expected one each for every sample, got \[4, 4, 4, 1\]"):
        viz.transformer_figure(images, outputs, theta, Affine(), captions=["one"])
    with pytest.raises(ShapeError, match=r"images, outputs: expected .* got \(0, 1, 20, 24\)"):
        viz.transformer_figure(images[:0], outputs[:0], theta[:0], Affine())
    with pytest.raises(OptionError, match="pairs_per_row: expected at least 1, got 0"):
        viz.transformer_figure(images, outputs, theta, Affine(), pairs_per_row=0)


def test_captions_and_titles_are_no_formulas():
    image, affine = torch.rand(1, 1, 8, 8), Affine()
    figure = viz.transformer_figure(
        image, image, affine.identity()[None], affine, captions=["price $5^$ read as $"], title="run of $5^$"
    )
    assert viz.encode_png(figure)
