import torch

from unwarp.data.pairs import PairBatches

IMAGES, LABELS = torch.arange(12.0)[:, None, None, None], torch.arange(12) // 4


def batches(**changes):
    return PairBatches(IMAGES, LABELS, **({"batch_size": 3, "seed": 0} | changes))


def epoch_of(pairs, epoch):
    return [pairs[epoch, batch] for batch in range(pairs.num_batches)]


def test_pairs_are_two_images_of_one_class():
    for epoch in range(5):
        for label, images, others, places, moves in epoch_of(batches(), epoch):
            assert (LABELS[images.flatten().long()] == label).all()
            assert (LABELS[others.flatten().long()] == label).all()
            assert (images != others).all()
            for drawn in (places, moves):
                assert drawn.shape == (2 * len(images), 2)
                assert drawn.abs().max() <= 1
            assert not torch.equal(places, moves)


def test_an_epoch_shows_every_image_once():
    shown = torch.cat([images.flatten() for _, images, *_ in epoch_of(batches(), 2)])
    assert shown.sort().values.tolist() == list(range(12))


def test_pairs_depend_on_seed_and_epoch_alone():
    first, again, other = (
        torch.cat([each[2] for each in epoch_of(pairs, epoch)])
        for pairs, epoch in ((batches(), 1), (batches(), 1), (batches(), 2))
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, torch.cat([each[2] for each in epoch_of(batches(seed=1), 1)]))
