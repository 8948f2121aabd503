import pytest
import torch

from unwarp.errors import OptionError
from unwarp.experiments.picture import contact_sheet, straightening_figure
from unwarp.models import CNN, st_cnn


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


def test_figure_needs_a_transformer():
    with pytest.raises(OptionError, match="st- network"):
        straightening_figure(CNN((28, 28), width=4), torch.rand(1, 1, 28, 28), torch.tensor([1]))


@pytest.mark.parametrize("count", [1, 10, 23])
def test_contact_sheet_shows_every_image(count):
    images = torch.rand(count, 1, 6, 6)
    axes = contact_sheet(images).axes
    assert len(axes) == count
    torch.testing.assert_close(torch.tensor(axes[-1].images[0].get_array()), images[-1, 0])
