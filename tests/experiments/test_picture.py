import pytest
import torch

from unwarp import warp
from unwarp.errors import OptionError
from unwarp.experiments.picture import contact_sheet, straightening_figure
from unwarp.models import CNN, st_cnn
from unwarp.models.parallel_classifier import two_st_fcn
from unwarp.models.volume_classifier import st_volume
from unwarp.nn import DenseLocaliser, SpatialTransformer


def test_figure_shows_inputs_outputs_and_what_they_were_read_as():
    model = st_cnn((28, 28), width=4).eval()
    with torch.no_grad():
        model.transformer.regression.bias.copy_(torch.tensor([0.0, 1, 0, -1, 0, 0]))  # a quarter turn
    images, labels = torch.rand(3, 1, 28, 28), torch.tensor([4, 5, 6])
    axes = straightening_figure(model, images, labels).axes
    shown = [torch.tensor(ax.images[0].get_array()) for ax in axes]
    torch.testing.assert_close(shown[0], images[0, 0])
    torch.testing.assert_close(shown[1], images[0, 0].rot90(-1, (0, 1)), rtol=0, atol=1e-5)
    titles = [ax.get_title(loc="left") for ax in axes[::2]]
    guesses = model(images).argmax(1).tolist()
    assert titles == [f"{label} read as {guess}" for label, guess in zip([4, 5, 6], guesses, strict=True)]


def test_every_channel_is_drawn_beside_what_each_transformer_makes_of_it():
    torch.manual_seed(0)
    model = two_st_fcn((12, 12), transform="attention", width=4).eval()
    with torch.no_grad():
        for branch, scale in zip(model.transformer.branches, (1.0, 0.5), strict=True):
            branch.regression.bias.copy_(torch.tensor([scale, 0, 0]))
    images = torch.rand(2, 2, 12, 12)
    axes = straightening_figure(model, images, torch.tensor([4, 15])).axes
    shown = [torch.tensor(ax.images[0].get_array()) for ax in axes]
    assert len(shown) == 2 * 2 * 3  # images, channels, an input and two outputs
    for place, channel in enumerate(images.flatten(0, 1)):
        whole, same, part = shown[3 * place : 3 * place + 3]
        torch.testing.assert_close(whole, channel)
        torch.testing.assert_close(same, channel)
        torch.testing.assert_close(part, warp(channel[None, None], torch.tensor([[0.5, 0, 0]]), "attention")[0, 0])
    guesses = model(images).argmax(1).tolist()
    titles = [ax.get_title(loc="left") for ax in axes[::3]]
    assert titles == [f"4 read as {guesses[0]}", "", f"15 read as {guesses[1]}", ""]


def test_volumes_are_drawn_as_their_means_along_the_depth():
    torch.manual_seed(0)
    model = st_volume((60, 60, 60), width=4).eval()
    volumes = torch.rand(2, 1, 60, 60, 60)
    axes = straightening_figure(model, volumes, torch.tensor([4, 5])).axes
    assert len(axes) == 4
    means = [each.mean(1)[0] for volume in volumes for each in (volume, model.transformer(volume[None])[0])]
    for ax, mean in zip((axes[0], axes[2], axes[1], axes[3]), means, strict=True):
        torch.testing.assert_close(torch.tensor(ax.images[0].get_array()), (mean / mean.max()).detach())
    assert [ax.get_ylabel() for ax in axes[::2]] == ["input", "output"]


def test_several_answers_are_read_in_a_row():
    model = SequenceOfThree()
    axes = straightening_figure(model, torch.rand(1, 1, 8, 8), torch.tensor([[4, 5, 6]])).axes
    assert axes[0].get_title(loc="left") == "456 read as 222"


class SequenceOfThree(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.transformer = SpatialTransformer(DenseLocaliser(64))

    def forward(self, images):
        return torch.eye(10)[2].expand(len(images), 3, 10)


def test_figure_needs_a_transformer():
    with pytest.raises(OptionError, match="st- network"):
        straightening_figure(CNN((28, 28), width=4), torch.rand(1, 1, 28, 28), torch.tensor([1]))


@pytest.mark.parametrize("count", [1, 10, 23])
def test_contact_sheet_shows_every_image(count):
    images = torch.rand(count, 1, 6, 6)
    axes = contact_sheet(images).axes
    assert len(axes) == count
    torch.testing.assert_close(torch.tensor(axes[-1].images[0].get_array()), images[-1, 0])
