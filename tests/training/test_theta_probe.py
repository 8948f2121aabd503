import torch
from torch import nn

from unwarp.models import CNN, st_cnn
from unwarp.training.theta_probe import ThetaProbe, transformers


def test_finds_transformers_wherever_they_are():
    model = nn.Sequential(st_cnn((28, 28), width=4).transformer, nn.Sequential(st_cnn((28, 28), width=4)))
    assert set(transformers(model)) == {"0", "1.0.transformer"}
    assert transformers(CNN((28, 28), width=4)) == {}


def test_keeps_the_last_theta():
    model = st_cnn((28, 28), transform="projective", width=4)
    probe = ThetaProbe(model)
    assert probe.last == {}
    model(torch.rand(5, 1, 28, 28))
    theta = model.transformer.localise(torch.rand(3, 1, 28, 28))
    assert torch.equal(probe.last["transformer"], theta)
    assert not probe.last["transformer"].requires_grad


def test_describes_the_range():
    model = st_cnn((28, 28), width=4)
    probe = ThetaProbe(model)
    with torch.no_grad():
        model.transformer.regression.bias.copy_(torch.tensor([1.5, 0, 0, 0, torch.nan, -2]))
    model.transformer.localise(torch.rand(2, 1, 28, 28))
    assert probe.describe() == "theta of 'transformer' was from -2 to 1.5, 2 of 12 values not finite."


def test_says_when_nothing_is_finite_or_there():
    model = st_cnn((28, 28), width=4)
    probe = ThetaProbe(model)
    with torch.no_grad():
        model.transformer.regression.bias.fill_(torch.inf)
    model.transformer.localise(torch.rand(1, 1, 28, 28))
    assert probe.describe() == "theta of 'transformer' was without a finite value, 6 of 6 values not finite."
    assert ThetaProbe(CNN((28, 28), width=4)).describe() == "There is no transformer in it."
