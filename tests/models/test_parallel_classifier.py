import torch

from unwarp.models.parallel_classifier import two_st_fcn


def test_both_transformers_hand_on_both_channels():
    model = two_st_fcn((42, 42), width=16)
    images = torch.rand(3, 2, 42, 42)
    assert torch.equal(model.transformer(images), images.repeat(1, 2, 1, 1))
    assert model(images).shape == (3, 19)


def test_transformers_learn_apart():
    torch.manual_seed(0)
    model = two_st_fcn((42, 42), width=16)
    model(torch.rand(3, 2, 42, 42)).logsumexp(1).sum().backward()
    first, second = (branch.regression.weight.grad for branch in model.transformer.branches)
    assert not torch.equal(first, second)
    assert min(first.abs().max(), second.abs().max()) > 0
