import torch
from torch import nn

from unwarp.models.sequence_reader import GlimpseReader, WholeReader, recurrent_st_cnn, sequence_cnn


def test_glimpses_are_read_in_their_order():
    images = torch.rand(4, 3, 2, 2)
    read = GlimpseReader(nn.Unflatten(1, (3, 1)), nn.Flatten())(images)  # a glimpse is a channel of the image
    assert torch.equal(read, images.flatten(2))


def test_the_whole_is_halved_and_its_logits_divided_among_the_answers():
    images = torch.rand(2, 1, 4, 6)
    read = WholeReader(nn.Flatten(), answers=3)(images)
    halved = images.unfold(2, 2, 2).unfold(3, 2, 2).mean((-1, -2))
    torch.testing.assert_close(read, halved.reshape(2, 3, 2))


def test_readers_give_every_answer_its_logits():
    images = torch.rand(2, 1, 100, 100)
    for model in (recurrent_st_cnn((100, 100), width=4), sequence_cnn((100, 100), width=4)):
        assert model(images).shape == (2, 3, 10)
