import torch

from unwarp.models import CNN
from unwarp.models.later_transformers import ic_st_cnn, shared_st_cnn


def test_shared_layers_count_once():
    model, plain = shared_st_cnn((28, 28), width=4), CNN((28, 28), width=4)
    counts = [sum(parameter.numel() for parameter in each.parameters()) for each in (model, plain)]
    features = plain.layers[-1].in_features
    assert counts[0] == counts[1] + (features + 1) * 20 + 21 * 6


def test_theta_teaches_the_shared_layers():
    torch.manual_seed(0)
    model = shared_st_cnn((28, 28), width=4)
    with torch.no_grad():
        model.transformer.regression.weight.normal_()
    theta = model.transformer.localise(torch.rand(2, 1, 28, 28))
    theta.sum().backward()
    assert model.classifier.layers[0].weight.grad.abs().max() > 0


def test_steps_compose_from_the_identity():
    model = ic_st_cnn((28, 28), width=4, steps=3)
    images = torch.rand(2, 1, 28, 28)
    assert torch.equal(model.transformer(images), images)
    assert model.transformer.trajectory(images).shape == (2, 3, 2, 3)
