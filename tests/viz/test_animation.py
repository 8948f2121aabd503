import numpy as np
import pytest
import torch
from PIL import Image

from unwarp import viz
from unwarp.errors import OptionError, ShapeError
from unwarp.nn import DenseLocaliser, LinearisedSampler, SharedLocaliser, SpatialTransformer
from unwarp.transforms import Affine, Rigid
from unwarp.viz.png import pixels_of
from unwarp.viz.style import new_figure

IMAGES = torch.rand(2, 1, 8, 8)


def turning(steps):
    angles = torch.linspace(0, 1, steps)
    return torch.stack([angles, 0 * angles, 0 * angles], dim=1)[:, None].expand(steps, 2, 3)


def test_every_theta_is_a_frame_and_the_last_one_stays(tmp_path):
    frames = viz.theta_frames(IMAGES, turning(3), Rigid(), labels=["a", "b", "c"])
    with Image.open(viz.save_gif(frames, tmp_path / "new" / "turn.gif", seconds=0.1, dpi=40)) as gif:
        assert gif.n_frames == 3
        durations = []
        for frame in range(3):
            gif.seek(frame)
            durations.append(gif.info["duration"])
    assert durations == [100, 100, 400]
    assert [frame.get_suptitle() for frame in frames] == ["a", "b", "c"]


def test_frames_differ_as_theta_does():
    first, second, third = (
        pixels_of(frame, dpi=40) for frame in viz.theta_frames(IMAGES, turning(3)[[0, 0, 2]], Rigid(), labels="xxx")
    )
    assert first.shape == second.shape == third.shape
    assert np.array_equal(first, second)
    assert not np.array_equal(first, third)


def test_a_transformer_gives_its_own_size():
    transformer = SpatialTransformer(DenseLocaliser(64), "affine", (4, 6))
    (frame,) = viz.transformer_frames(transformer, IMAGES, Affine().identity().expand(1, 2, 2, 3))
    sizes = [ax.images[0].get_array().shape for ax in frame.axes]
    assert sizes == [(8, 8), (4, 6)] * 2


def test_show_transformer_draws_what_the_transformer_does():
    transformer = SpatialTransformer(DenseLocaliser(64), "affine", (4, 4))
    figure = viz.show_transformer(transformer, IMAGES, captions=["one", "two"], title="all")
    assert figure.get_suptitle() == "all"
    drawn = figure.axes[1].images[0].get_array()
    np.testing.assert_allclose(drawn, transformer(IMAGES)[0, 0].detach().numpy(), atol=1e-6)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("fails", [False, True])
def test_show_transformer_changes_nothing(shared, fails):
    layers = torch.nn.Sequential(torch.nn.BatchNorm2d(1), torch.nn.Dropout(), torch.nn.Flatten())
    layers[1].eval()
    transformer = SpatialTransformer(SharedLocaliser(layers) if shared else layers, features=64)
    before = {name: value.clone() for name, value in layers.state_dict().items()}
    if fails:
        with pytest.raises(ShapeError, match="localiser: expected 64 features"):
            viz.show_transformer(transformer, torch.rand(2, 1, 9, 9))
    else:
        viz.show_transformer(transformer, IMAGES)
    assert all(torch.equal(value, before[name]) for name, value in layers.state_dict().items())
    assert [module.training for module in layers] == [True, False, True]
    assert transformer.training


@pytest.mark.parametrize(
    "transformer",
    [
        lambda: SpatialTransformer(DenseLocaliser(64)),
        lambda: SpatialTransformer(DenseLocaliser(64), align_corners=True),
    ],
)
def test_a_linearised_sampler_is_drawn_as_the_one_it_wraps(transformer):
    transformer = transformer()
    thetas = transformer.transform.start().expand(1, 2, 2, 3)
    expected = pixels_of(viz.show_transformer(transformer, IMAGES), dpi=40)
    frame = pixels_of(viz.transformer_frames(transformer, IMAGES, thetas)[0], dpi=40)
    transformer.sampler = LinearisedSampler(transformer.sampler)
    assert np.array_equal(pixels_of(viz.show_transformer(transformer, IMAGES), dpi=40), expected)
    assert np.array_equal(pixels_of(viz.transformer_frames(transformer, IMAGES, thetas)[0], dpi=40), frame)


def test_what_cannot_be_animated_is_refused(tmp_path):
    with pytest.raises(ShapeError, match="one for each of 3 thetas, got 1"):
        viz.theta_frames(IMAGES, turning(3), Rigid(), labels=["a"])
    with pytest.raises(OptionError, match="expected a frame"):
        viz.save_gif([], tmp_path / "none.gif")
    for seconds in (0.0, 1000.0, float("inf"), float("nan")):
        with pytest.raises(OptionError, match=f"0.02 to 160.0, got 1, {seconds}"):
            viz.save_gif([new_figure(1, 1)], tmp_path / "none.gif", seconds=seconds)
