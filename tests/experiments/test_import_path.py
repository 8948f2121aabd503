import sys

import pytest
from torch import nn

from unwarp.errors import OptionError
from unwarp.experiments.import_path import build_by_path, is_import_path

OFFERED = {"classes": 5, "channels": 3, "size": (32, 48)}
CODE = """
from torch import nn

def plain(classes, channels, size):
    return nn.Linear(classes * channels, sum(size))

def usual(*, num_classes=10, in_chans=1, pretrained=False):
    return nn.Linear(num_classes, in_chans)

def open_ended(**options):
    return nn.Linear(options["num_classes"], len(options))

def number(classes):
    return classes

class Own(nn.Module):
    def __init__(self, image_size):
        super().__init__()
        self.seen = image_size
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_networks.py").write_text(CODE)
    yield "own_networks"
    sys.modules.pop("own_networks", None)


def test_arguments_are_known_by_their_usual_names(module):
    linear = build_by_path("key", f"{module}:plain", OFFERED)
    assert (linear.in_features, linear.out_features) == (15, 80)
    linear = build_by_path("key", f"{module}:usual", OFFERED)
    assert (linear.in_features, linear.out_features) == (5, 3)
    linear = build_by_path("key", f"{module}:open_ended", OFFERED)
    assert (linear.in_features, linear.out_features) == (5, 1)
    assert build_by_path("key", f"{module}:Own", OFFERED).seen == (32, 48)


def test_installed_packages_are_found_as_well():
    assert isinstance(build_by_path("key", "torch.nn:Identity", {}), nn.Identity)


def test_what_is_not_there_or_makes_no_network_is_named(module):
    for path, message in (
        (f"{module}:missing", "has no 'missing'"),
        ("no_such_module:f", "No module named 'no_such_module'"),
        (f"{module}:number", "to return a torch.nn.Module, got int"),
    ):
        with pytest.raises(OptionError, match=f"^key: .*{message}"):
            build_by_path("key", path, OFFERED)


def test_the_search_path_is_left_as_it_was(module):
    before = list(sys.path)
    build_by_path("key", f"{module}:plain", OFFERED)
    assert sys.path == before


def test_an_import_path_has_a_colon():
    assert is_import_path("torchvision.models:resnet18")
    assert not is_import_path("small_cnn")
