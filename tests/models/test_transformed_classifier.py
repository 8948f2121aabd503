import pytest
import torch
import torch.nn.functional as F

from unwarp.errors import ShapeError
from unwarp.models import st_cnn, st_fcn


@pytest.mark.parametrize("build", [st_cnn, st_fcn])
@pytest.mark.parametrize("transform", ["affine", "projective", "thin_plate_spline"])
def test_untrained_transformer_changes_nothing(build, transform):
    model = build((42, 42), transform=transform, pooling=2, width=8)
    images = torch.rand(3, 1, 42, 42)
    expected = model.classifier(F.avg_pool2d(images, 2))
    with torch.no_grad():
        assert torch.equal(model(images), expected)
    torch.testing.assert_close(model(images), expected)  # a convolution that passes a gradient on rounds differently


def test_classifier_sees_what_the_transformer_looks_at():
    model = st_cnn((28, 28), width=8)
    with torch.no_grad():
        model.transformer.regression.bias.copy_(torch.tensor([0.0, 1, 0, -1, 0, 0]))  # a quarter turn
    images = torch.rand(2, 1, 28, 28)
    torch.testing.assert_close(model(images), model.classifier(images.rot90(-1, (2, 3))), rtol=0, atol=1e-5)


def test_localiser_learns_from_the_classifier():
    model = st_cnn((28, 28), width=8)
    F.cross_entropy(model(torch.rand(8, 1, 28, 28)), torch.arange(8)).backward()
    assert model.transformer.regression.weight.grad.abs().max() > 0


@pytest.mark.parametrize("build", [st_cnn, st_fcn])
def test_transformer_may_sample_another_size(build):
    model = build((42, 42), output_size=(28, 26), width=8)
    images = torch.rand(2, 1, 42, 42)
    seen = F.interpolate(images, (28, 26), mode="bilinear", align_corners=False)
    torch.testing.assert_close(model.transformer(images), seen, rtol=0, atol=1e-5)
    torch.testing.assert_close(model(images), model.classifier(seen), rtol=0, atol=1e-5)


@pytest.mark.parametrize("build", [st_cnn, st_fcn])
def test_refuses_to_pool_everything_away(build):
    with pytest.raises(ShapeError, match=r"pooling: expected at most 1 for \(1, 1\) pixels .* got 2"):
        build((42, 42), output_size=(1, 1), pooling=2)
