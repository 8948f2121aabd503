import pytest
import torch
from lightning import Trainer
from torch.utils.data import DataLoader

from unwarp import warp
from unwarp.errors import ShapeError
from unwarp.models.co_localiser import CoLocaliser
from unwarp.training.colocalisation_module import (
    ColocalisationModule,
    _reach,
    _rise,
    crop_pairs,
    hinge,
    located,
    overlap,
)
from unwarp.training.epoch_figures import EpochFigures

SIZE = (84, 84)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return CoLocaliser(SIZE, classes=2, width=8)


def two_starts(size, columns, rows):
    """For one digit: crops 28 pixels wide, each always in one place."""
    torch.manual_seed(0)
    network = CoLocaliser(size, classes=1, width=8, starts=2)
    with torch.no_grad():
        for transformer, column, row in zip(network.transformers, columns, rows, strict=True):
            transformer.regression.bias.copy_(torch.tensor([-50.0, column, row]))
    return network


def theta_of(row, column, side=28):
    """The attention that looks at a square of the image."""
    centre = [(column + side / 2) / 42 - 1, (row + side / 2) / 42 - 1]
    return torch.tensor([[side / 84, *centre]])


@pytest.mark.parametrize(
    ("theta", "expected"),
    [
        (theta_of(10, 20), 1.0),
        (theta_of(10, 34), 14 / 42),
        (theta_of(38, 20), 0.0),
        (theta_of(3, 13, side=42), (28 / 42) ** 2),
        (theta_of(60, 60), 0.0),
    ],
)
def test_overlap_is_intersection_over_union(theta, expected):
    assert overlap(theta, torch.tensor([[10, 20]]), SIZE).item() == pytest.approx(expected, abs=1e-5)


def test_located_by_more_than_half(model):
    with torch.no_grad():
        model.transformers[1].regression.bias[0] = -50  # the bounds stop at a third: a frame of 28 pixels in the middle
    images = torch.rand(3, 1, *SIZE)
    found = torch.tensor([[1, 28, 28], [1, 28, 37], [1, 28, 38]])
    assert located(model, images, found).tolist() == [True, True, False]


def test_loss_is_the_hinge_of_the_paper(model):
    pair = torch.rand(4, 1, *SIZE), torch.rand(4, 1, *SIZE)
    places = 2 * torch.rand(8, 2) - 1
    e = model.embedding
    seen, off = [], []
    for images, place in zip(pair, places.split(4), strict=True):
        crops, theta = model.crop(images, 0)
        scale = theta[:, :1]
        random = warp(images, torch.cat([scale, (1 - scale) * place], 1), "attention", (28, 28))
        seen.append(e(crops))
        off.append((seen[-1] - e(random)).square().sum(1))
    apart = (seen[0] - seen[1]).square().sum(1)
    for weight in (0.0, 0.5, 1.0):
        expected = sum((weight * apart - each + 1).clamp(min=0).mean() for each in off) / 2
        torch.testing.assert_close(hinge(crop_pairs(model, 0, torch.cat(pair), places), weight=weight), expected)


def test_embedding_is_not_trained(model):
    hinge(crop_pairs(model, 0, torch.rand(8, 1, *SIZE), torch.zeros(8, 2)), weight=1.0).backward()
    assert all(parameter.grad is None for parameter in model.embedding.parameters())


def test_moved_crops_stay_in_the_image(model):
    images, moves = torch.rand(3, 1, *SIZE), torch.tensor([[0.1, -0.2], [5.0, -5.0], [0.0, 0.0]])
    crops, theta = model.crop(images, 0, moves)
    still, there = model.crop(images, 0)
    room = 1 - there[0, 0].item()
    expected = torch.tensor([[0.1, -0.2], [room, -room], [0.0, 0.0]])
    torch.testing.assert_close(theta[:, 1:] - there[:, 1:], expected)
    torch.testing.assert_close(crops, warp(images, theta, "attention", (28, 28)))
    assert torch.equal(crops[2], still[2])


def test_a_moved_crop_is_pulled_by_what_it_shows():
    """A blob at the right, out of reach of the crop in the middle: only a crop moved there tells where it is."""
    network = CoLocaliser(SIZE, classes=1, width=8)
    with torch.no_grad():
        network.transformers[0].regression.bias[0] = -50  # 28 pixels wide, in the middle
    row, column = torch.meshgrid(torch.arange(84.0), torch.arange(84.0), indexing="ij")
    image = (-((row - 41.5) ** 2 + (column - 70) ** 2) / 12).exp()[None, None]
    bias = network.transformers[0].regression.bias
    pulls = []
    for moves in (None, torch.tensor([[0.5, 0.0]])):
        crops, _ = network.crop(image, 0, moves)
        (gradient,) = torch.autograd.grad(crops.sum(), bias)
        pulls.append(gradient[1].item())
    assert abs(pulls[0]) < 1e-3 < 0.1 < pulls[1]


def test_calibrated_layers_are_at_known_distances(model):
    images = torch.rand(200, 1, 28, 28)
    model.embedding.calibrate(images)
    vectors = model.embedding(images)
    logits, convolved = vectors[:, -2:], vectors[:, :-2]
    for layer, expected in ((logits, 4.0), (convolved, 1.0)):
        distance = (layer[:, None] - layer[None]).square().sum(-1)
        assert distance.sum() / (200 * 199) == pytest.approx(expected, rel=0.01)


def test_crops_lie_whole_in_the_image(model):
    transform = model.transformers[0].transform
    scale, column, row = transform.bound(torch.randn(1000, 3) * 3).unbind(1)
    assert (column.abs() + scale).max() <= 1 + 1e-6
    assert (row.abs() + scale).max() <= 1 + 1e-6
    assert scale.min() == pytest.approx(1 / 3, abs=1e-3)
    assert scale.max() == pytest.approx(2 / 3, abs=1e-3)


def test_a_crop_in_a_corner_can_come_back(model):
    theta = torch.tensor([0.5, -5.0, 5.0], requires_grad=True)
    transform = model.transformers[0].transform
    column, row = transform.bound(theta)[1:]
    (column - row).backward()
    assert theta.grad[1] > 1e-3
    assert theta.grad[2] < -1e-3


@pytest.mark.parametrize(("done", "weight"), [(0.0, 0.0), (0.6, 0.0), (0.775, 0.5), (0.95, 1.0), (1.0, 1.0)])
def test_agreement_counts_late(done, weight):
    assert _rise(done) == pytest.approx(weight, abs=1e-9)


@pytest.mark.parametrize(
    ("done", "reach"), [(0.0, 0.0), (0.075, 0.225), (0.15, 0.45), (0.375, 0.225), (0.6, 0.0), (1, 0)]
)
def test_crops_are_moved_before_they_must_agree(done, reach):
    assert _reach(done) == pytest.approx(reach, abs=1e-9)


def test_an_embedding_needs_two_digits_to_compare(model):
    with pytest.raises(ShapeError, match="images: expected 2 digits or more, got 1"):
        model.embedding.calibrate(torch.rand(1, 1, 28, 28))


def test_of_each_image_the_crop_nearest_to_what_is_common_counts():
    """A blob at the left or at the right, and a start that looks at each side."""
    network = two_starts(SIZE, (-5.0, 5.0), (0.0, 0.0))
    images = torch.zeros(3, 1, *SIZE)
    blob = torch.rand(28, 28)
    images[0, :, 28:56, :28] = images[1, :, 28:56, 56:] = images[2, :, 28:56, :28] = blob
    with torch.no_grad():
        network.remember(network.embedding(blob[None, None]))
    assert network(images)[:, 1].sign().tolist() == [-1, 1, -1]
    again = two_starts(SIZE, (-5.0, 5.0), (0.0, 0.0))
    again.load_state_dict(network.state_dict())
    assert torch.equal(again(images), network(images))


def test_weights_of_one_start_need_no_choice(model):
    assert "common" not in model.state_dict()
    assert len(model.transformers) == 2


@pytest.mark.filterwarnings("ignore:.*does not have many workers", "ignore:.*LeafSpec.*is deprecated:FutureWarning")
def test_validation_takes_the_best_starts_crops_for_what_is_common():
    """Two starts, of which the second looks at what most images have in common and the first where they are empty.

    In the last image it is the other way round, and the first start's crop counts.
    """
    network = two_starts(SIZE, (-5.0, 2.3), (-5.0, 2.3))
    images = torch.zeros(7, 1, *SIZE)
    blob = torch.rand(28, 28)
    images[:6, :, 50:78, 50:78] = blob
    images[6, :, :28, :28] = blob
    found = torch.tensor([[0, 50, 50]]).repeat(7, 1)
    found[6, 1:] = 0
    module = ColocalisationModule(network, plan=lambda *_: None)
    module.figures = EpochFigures()
    trainer = Trainer(logger=False, enable_checkpointing=False, enable_progress_bar=False, accelerator="cpu")
    (logged,) = trainer.validate(module, DataLoader([(images, found)], batch_size=None), verbose=False)
    places = 2 * torch.rand(14, 2, generator=torch.Generator().manual_seed(0)) - 1
    both = torch.cat([images, images.roll(1, 0)])
    starts = [crop_pairs(network, 0, both, places, start=start) for start in (0, 1)]
    losses = [hinge(crops, weight=1.0).item() for crops in starts]
    assert losses[1] < losses[0]
    torch.testing.assert_close(network.common[0], starts[1].seen[:7].mean(0))
    assert network(images)[:, 1].sign().tolist() == [1, 1, 1, 1, 1, 1, -1]
    assert logged["val_loss"] < losses[1]
    assert logged["val_error"] == 0
