import torch
from torch import nn

from unwarp.models.volume_classifier import CNN3D, FlattenedVolume, st_volume

SIZE = (42, 42, 42)


def test_volumes_are_seen_along_their_depth():
    volumes = torch.rand(2, 1, 5, 6, 7)
    seen = FlattenedVolume(nn.Identity(), nn.Flatten())(volumes)
    torch.testing.assert_close(seen, volumes.sum(2).flatten(1) / 5)


def test_transformer_starts_from_the_whole_volume():
    model = st_volume(SIZE, width=4, pooling=1)
    volumes = torch.rand(1, 1, *SIZE)
    assert torch.equal(model.transformer(volumes), volumes)


def test_both_networks_learn_from_every_weight():
    for model in (st_volume(SIZE, width=4, pooling=1), CNN3D(SIZE, width=4)):
        model(torch.rand(1, 1, *SIZE)).logsumexp(1).sum().backward()
        assert all(parameter.grad is not None for parameter in model.parameters())
