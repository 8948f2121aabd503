import torch

from unwarp.data.pairs import PairBatches

IMAGES, LABELS = torch.arange(12.0)[:, None, None, None], torch.arange(12) // 4


def batches(**changes):
    return PairBatches(IMAGES, LABELS, **({"batch_size": 3, "seed": 0} | changes))


def epoch_of(pairs, epoch):
    return [pairs[epoch, batch] for batch in range(pairs.num_batches)]


def test_pairs_are_two_images_of_one_class():
    for epoch in range(5):
        for label, learner, images, others, places, moves in epoch_of(batches(), epoch):
            assert (LABELS[images.flatten().long()] == label).all()
            assert (LABELS[others.flatten().long()] == label).all()
            assert (images != others).all()
            assert learner == 0
            for drawn in (places, moves):
                assert drawn.shape == (2 * len(images), 2)
                assert drawn.abs().max() <= 1
            assert not torch.equal(places, moves)


def test_an_epoch_shows_every_image_once():
    shown = torch.cat([images.flatten() for _, _, images, *_ in epoch_of(batches(), 2)])
    assert shown.sort().values.tolist() == list(range(12))


def test_pairs_depend_on_seed_and_epoch_alone():
    first, again, other = (
        torch.cat([each[3] for each in epoch_of(pairs, epoch)])
        for pairs, epoch in ((batches(), 1), (batches(), 1), (batches(), 2))
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, torch.cat([each[3] for each in epoch_of(batches(seed=1), 1)]))


def test_each_learner_is_shown_every_image_once():
    first, second = [], []
    for _, learner, images, *_ in epoch_of(batches(learners=2), 2):
        (first, second)[learner].append(images.flatten())
    for shown in (first, second):
        assert torch.cat(shown).sort().values.tolist() == list(range(12))


def test_the_first_learner_learns_as_if_it_were_alone():
    alone, several = (epoch_of(batches(learners=learners), 1) for learners in (1, 2))
    for one, other in zip(alone, several, strict=False):
        assert one[:2] == other[:2]
        assert all(torch.equal(mine, its) for mine, its in zip(one[2:], other[2:], strict=True))
