from dataclasses import replace

import pytest
import torch
from torch.utils.data import DataLoader

from unwarp.data import distortions
from unwarp.data.distorted_mnist import EpochSampler, FixedBatches, FreshBatches
from unwarp.data.distortions import as_images
from unwarp.data.mnist import Digits
from unwarp.data.mnist_subset import subset
from unwarp.errors import OptionError

RTS = distortions.get("rts")
COUNT = 50

# Labels that count the digits, so that it can be seen which digit a batch holds.
DIGITS = Digits(subset("train").images[:COUNT], torch.arange(COUNT))

# The same digit throughout, so that images differ by their distortion alone.
ONE_DIGIT = Digits(DIGITS.images[:1].expand(COUNT, 28, 28), DIGITS.labels)


def fresh(**changes) -> FreshBatches:
    return FreshBatches(DIGITS, RTS, **({"batch_size": 16, "seed": 5} | changes))


def epoch_of(batches: FreshBatches, epoch: int) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = zip(*(batches[epoch, b] for b in range(batches.num_batches)), strict=True)
    return torch.cat(images), torch.cat(labels)


def test_an_epoch_shows_every_digit_once_in_an_order_of_its_own():
    orders = [epoch_of(fresh(), epoch)[1].tolist() for epoch in range(3)]
    assert all(sorted(order) == list(range(COUNT)) for order in orders)
    assert orders[0] != orders[1] != orders[2]
    assert orders[0] != list(range(COUNT))


def test_batches_are_full_but_the_last():
    batches = fresh()
    assert [len(batches[0, b][1]) for b in range(batches.num_batches)] == [16, 16, 16, 2]
    images, labels = batches[0, 0]
    assert images.shape == (16, 1, 42, 42)
    assert (images.dtype, labels.dtype) == (torch.float32, torch.int64)


def test_each_epoch_distorts_each_digit_anew():
    first, second = (epoch_of(fresh(), epoch) for epoch in (0, 1))
    first_images, second_images = (images[labels.argsort()] for images, labels in (first, second))
    assert ((first_images - second_images).abs().amax((1, 2, 3)) > 0.5).all()


def test_a_batch_depends_on_its_key_alone():
    unbroken, resumed = fresh(), fresh()
    for key in ((0, 0), (0, 3), (1, 0), (1, 1)):
        unbroken[key]
    torch.manual_seed(99)
    for ours, theirs in zip(resumed[1, 2], unbroken[1, 2], strict=True):
        assert torch.equal(ours, theirs)


def test_no_two_batches_share_their_distortions():
    images = torch.cat([epoch_of(FreshBatches(ONE_DIGIT, RTS, batch_size=16, seed=5), epoch)[0] for epoch in (0, 1)])
    assert len(images.flatten(1).unique(dim=0)) == len(images) == 2 * COUNT


@pytest.mark.parametrize("changes", [{"seed": 6}, {"batch_size": 17}])
def test_other_settings_give_other_images(changes):
    assert not torch.equal(fresh()[0, 0][0], fresh(**changes)[0, 0][0][:16])


def test_the_labels_follow_the_digits():
    digits = subset("train")[:200]
    unturned = distortions.Distortion("none", (28, 28), lambda images, _: distortions.as_images(images))
    images, labels = FreshBatches(digits, unturned, batch_size=64, seed=0)[0, 1]
    for image, label in zip(images, labels, strict=True):
        matches = (distortions.as_images(digits.images) == image).all(3).all(2).all(1)
        assert digits.labels[matches].tolist() == [label]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_data_loader_serves_the_sampler_s_epoch(workers):
    batches = fresh()
    sampler = EpochSampler(batches.num_batches)
    loader = DataLoader(batches, batch_size=None, sampler=sampler, num_workers=workers)
    assert len(loader) == 4
    for epoch in (0, 7):
        sampler.set_epoch(epoch)
        images, labels = epoch_of(fresh(), epoch)
        served = list(loader)
        assert torch.equal(torch.cat([batch[0] for batch in served]), images)
        assert torch.equal(torch.cat([batch[1] for batch in served]), labels)


def test_a_fixed_set_stays_whatever_the_batches():
    few = [FixedBatches(DIGITS, RTS, batch_size=size, seed=1) for size in (50, 16)]
    assert [len(batches) for batches in few] == [1, 4]
    served = [torch.cat([batch[0] for batch in DataLoader(batches, batch_size=None)]) for batches in few]
    assert torch.equal(served[0], served[1])
    assert torch.equal(served[0], few[0].images)
    assert torch.equal(torch.cat([few[1][b][1] for b in range(4)]), DIGITS.labels)


def test_a_fixed_set_depends_on_its_seed_and_shares_no_distortion_with_training():
    sets = [FixedBatches(ONE_DIGIT, RTS, batch_size=COUNT, seed=seed).images for seed in (1, 2)]
    sets.append(FreshBatches(ONE_DIGIT, RTS, batch_size=COUNT, seed=1)[0, 0][0])
    assert len(torch.cat(sets).flatten(1).unique(dim=0)) == 3 * COUNT


def test_a_fixed_set_of_several_chunks_repeats_no_distortion():
    one = subset("test").images[:1].expand(2000, 28, 28)
    images = FixedBatches(Digits(one, torch.zeros(2000, dtype=torch.long)), RTS, batch_size=500, seed=0).images
    assert len(images.flatten(1).unique(dim=0)) == 2000


def test_a_fixed_set_s_first_digits_do_not_depend_on_the_later():
    digits = subset("test")
    whole = FixedBatches(digits, RTS, batch_size=500, seed=0).images
    assert torch.equal(FixedBatches(digits[:1000], RTS, batch_size=500, seed=0).images, whole[:1000])


@pytest.mark.parametrize("batch", [-1, 4])
def test_a_fixed_set_has_no_other_batches(batch):
    with pytest.raises(IndexError):
        FixedBatches(DIGITS, RTS, batch_size=16, seed=0)[batch]


@pytest.mark.parametrize("kind", [FreshBatches, FixedBatches])
def test_batches_of_no_size(kind):
    with pytest.raises(OptionError, match="batch_size: expected 1 or more, got 0"):
        kind(DIGITS, RTS, batch_size=0, seed=0)


@pytest.mark.parametrize("kind", [FreshBatches, FixedBatches])
def test_a_negative_seed_is_refused_at_once(kind):
    with pytest.raises(OptionError, match="none negative"):
        kind(DIGITS, RTS, batch_size=16, seed=-1)


def test_bent_digits_have_other_shapes_in_each_epoch_and_stay_in_range():
    as_written, bent = (fresh(bend=bend) for bend in (0.0, 0.03))
    unturned = replace(RTS, size=(28, 28), apply=lambda digits, _: as_images(digits))
    for batches in (as_written, bent):
        batches.task = unturned
    for epoch in (0, 1):
        assert epoch_of(bent, epoch)[1].tolist() == epoch_of(as_written, epoch)[1].tolist()
    plain, first, second = epoch_of(as_written, 0), epoch_of(bent, 0), epoch_of(bent, 1)
    order = [labels.argsort() for _, labels in (plain, first, second)]
    plain, first, second = (images[by] for (images, _), by in zip((plain, first, second), order, strict=True))
    for one, other in ((plain, first), (first, second)):
        assert ((one - other).abs().amax((1, 2, 3)) > 0.1).all()
    # The ink is where it was, but for a pixel or so.
    shared = (plain * first).sum((1, 2, 3)) / plain.square().sum((1, 2, 3))
    assert shared.min() > 0.5
    assert shared.mean() > 0.75
    assert 0 <= first.min() < first.max() <= 1


def test_how_far_digits_are_bent_is_a_part_of_their_size():
    with pytest.raises(OptionError, match="^bend: expected 0 or more, as a part of the digit.s size, got -1"):
        fresh(bend=-1)
