import sys

import pytest
import torch

from unwarp.errors import OptionError
from unwarp.experiments.folder_build import build_folder_model
from unwarp.experiments.folder_config import FolderConfig
from unwarp.models import CNN, SmallCNN
from unwarp.nn import InverseCompositionalTransformer
from unwarp.transforms import TRANSFORMS

SMALL = ["model.filters=2", "data.channels=1"]


def built(*settings, classes=3):
    config = FolderConfig.read({}, [*SMALL, *settings])
    intake = config.data.intake
    model = build_folder_model(config, classes=classes).eval()
    return model, torch.rand(2, intake.channels, intake.height, intake.width)


def test_looks_at_one_size_and_classifies_at_another():
    model, images = built("data.height=448", "model.height=112")
    assert model.transformer(images).shape == (2, 1, 112, 112)
    assert model(images).shape == (2, 3)
    assert model.transformer.sampler.antialias == 8.0
    assert sum(parameter.numel() for parameter in model.transformer.parameters()) < 60_000


def test_sizes_need_not_be_square():
    model, images = built("data.height=40", "data.width=90", "model.width=60", "model.height=20")
    assert images.shape[2:] == (40, 90)
    assert model.transformer(images).shape[2:] == (20, 60)


@pytest.mark.parametrize("transform", list(TRANSFORMS))
def test_any_transform(transform):
    model, images = built(f"model.transform={transform}", "data.height=30")
    assert model(images).shape == (2, 3)


def test_without_a_transformer_the_backbone_alone():
    model, _ = built("model.transform=none")
    assert isinstance(model, SmallCNN)
    with pytest.raises(OptionError, match="expected 0 without a transformer"):
        built("model.transform=none", "model.height=20")


def test_several_steps_and_control_points():
    model, _ = built("model.steps=3", "model.transform=projective")
    assert isinstance(model.transformer, InverseCompositionalTransformer)
    assert model.transformer.steps == 3
    model, _ = built("model.transform=thin_plate_spline", "model.control=5")
    assert model.transformer.transform.theta_shape == (25, 2)


@pytest.mark.parametrize("height", [4, 20, 27, 28, 64, 200])
def test_any_size_has_a_localiser(height):
    model, images = built(f"data.height={height}")
    assert torch.equal(model.transformer(images), images)


@pytest.fixture
def own_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(
        "from torch import nn\n"
        "def features(channels): return nn.Sequential(nn.AdaptiveAvgPool2d(3), nn.Flatten())\n"
        "def picky(size): return nn.Sequential(nn.Flatten(), nn.Linear(7, 7))\n"
        "def flat(): return nn.Flatten(0)\n"
    )
    yield
    sys.modules.pop("own", None)


def test_a_backbone_by_import_path():
    model, images = built("model.backbone=unwarp.models:CNN", "data.height=28")
    assert isinstance(model.classifier, CNN)
    assert model(images).shape == (2, 3)


@pytest.mark.usefixtures("own_code")
def test_a_backbone_of_features_gets_a_classifier_and_a_localiser_is_free():
    model, images = built("model.backbone=own:features", "model.localiser=own:features")
    assert model(images).shape == (2, 3)
    assert model.classifier[-1].in_features == 9
    assert model.transformer.regression.in_features == 9


@pytest.mark.usefixtures("own_code")
@pytest.mark.parametrize(
    ("path", "message"),
    [("own:picky", "expected a network for images of 1 x 64 x 64"), ("own:flat", "returns one tensor")],
)
def test_a_backbone_that_does_not_fit_is_refused(path, message):
    with pytest.raises(OptionError, match=message):
        built(f"model.backbone={path}")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("data.channels=2", "data.channels: expected one of 1, 3"),
        ("data.height=2", "data.height: expected 4 to 8192"),
        ("model.backbone=resnet", "model.backbone: expected small_cnn or pkg.module:function"),
        ("model.transform=afine", "Did you mean 'affine'"),
        ("model.antialias=0.5", "model.antialias: expected 0 or at least 1"),
        ("augment.scale=0.5", "augment.scale"),
        ("augment.degree=5", "Did you mean 'augment.degrees'"),
        ("modell.height=5", "modell"),
        ("data.fit=squash", "data.fit: expected one of stretch, pad, crop"),
    ],
)
def test_wrong_settings_are_named(setting, message):
    with pytest.raises(OptionError, match=message):
        FolderConfig.read({}, [setting])


def test_settings_survive_a_round_trip():
    config = FolderConfig.read({}, ["data.height=30", "augment.flip=true"])
    assert FolderConfig.read(config.values()) == config


def test_the_background_goes_on_where_the_transformer_looks_outside():
    model, images = built("data.background=1.0")
    torch.nn.init.constant_(model.transformer.regression.bias, 0.0)
    with torch.no_grad():
        model.transformer.regression.bias[[0, 4]] = 3.0  # a theta that zooms out
        seen = model.transformer(torch.ones_like(images))
    assert torch.equal(seen, torch.ones_like(seen))
    sampler = built("model.padding=background")[0].transformer.sampler
    assert (sampler.padding_mode, sampler.fill_value) == ("fill", "background")
    assert built()[0].transformer.sampler.padding_mode == "zeros"
    assert built("data.background=1.0", "model.padding=zeros")[0].transformer.sampler.padding_mode == "zeros"


class Integers(torch.nn.Module):
    def forward(self, images):
        return images.flatten(1).long()


def counting():
    return Integers()


def demanding(classes, depth):
    return CNN(classes, depth)


def test_networks_of_others_that_do_not_fit_are_named():
    with pytest.raises(OptionError, match="returns floating-point numbers, got torch.int64"):
        built(f"model.backbone={__name__}:counting")
    with pytest.raises(OptionError, match="called with some of classes, channels, size, by name, got: .*depth"):
        built(f"model.backbone={__name__}:demanding")


def failing(channels, classes):
    return CNN((channels, channels), width=None + classes)


def test_a_fault_within_the_network_of_others_stays_what_it_is():
    with pytest.raises(TypeError, match="unsupported operand"):
        built(f"model.backbone={__name__}:failing")
