import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from unwarp.data import tasks
from unwarp.errors import OptionError
from unwarp.experiments.build import build_model
from unwarp.experiments.catalog import BUDGETS, CATALOG, named
from unwarp.experiments.config import ExperimentConfig
from unwarp.experiments.experiment import choose
from unwarp.experiments.published import published_error, published_text
from unwarp.models.co_localiser import CoLocaliser
from unwarp.training.colocalisation_module import crop_pairs, hinge
from unwarp.training.reading_module import ctc

COUNT = 70
CONFIGS = Path(str(files("unwarp.experiments") / "configs"))


def test_each_has_a_file_of_its_own():
    assert len(CATALOG) == COUNT
    on_disk = {path.relative_to(CONFIGS).as_posix() for path in CONFIGS.rglob("*.toml")}
    assert set(CATALOG.values()) == on_disk
    assert len(on_disk) == COUNT


@pytest.mark.parametrize("name", CATALOG)
def test_file_opens_with_its_command(name):
    assert (CONFIGS / CATALOG[name]).read_text().startswith(f"# unwarp train {name}\n")


@pytest.mark.parametrize("name", CATALOG)
def test_name_says_what_it_is(name):
    config = ExperimentConfig.read(named(name))
    dataset, _, network = name.partition("/")
    if config.data.distortion == "lines":
        assert (dataset, network) in {("lines", n) for n in ("crnn", "st-crnn-affine", "st-crnn-tps")}
        return
    assert dataset == f"mnist-{'3d' if config.data.distortion == 'volumes' else config.data.distortion}"
    kinds = {"cnn-3d": "cnn", "st-cnn-3d": "st-cnn", "sequence-cnn": "cnn"}
    assert network.startswith(kinds.get(config.model.network, config.model.network))


@pytest.mark.parametrize("name", CATALOG)
def test_builds_and_steps(name):
    config = ExperimentConfig.read(named(name))
    task = tasks.get(config.data.distortion)
    model = build_model(config.model, config.data)
    images = torch.rand(2, task.channels, *task.size)
    if isinstance(model, CoLocaliser):
        crops = crop_pairs(model, 3, torch.cat([images, images.flip(0)]), torch.zeros(4, 2))
        hinge(crops, weight=1.0).backward()
        trained = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
        assert trained == {name for name, _ in model.named_parameters() if name.startswith("transformers.3.")}
        return
    logits = model(images)
    assert logits.shape[-1] == task.classes
    if config.data.distortion == "lines":
        ctc(logits, torch.tensor([[3, 4, 4], [5, 0, 0]])).backward()
        assert all(parameter.grad is not None for parameter in model.parameters())
        return
    F.cross_entropy(logits.flatten(0, -2), torch.arange(logits[..., 0].numel())).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_every_published_figure_belongs_to_an_experiment():
    published = tomllib.loads((files("unwarp.experiments") / "published.toml").read_text())
    names = [f"{dataset}/{network}" for dataset, errors in published.items() for network in errors]
    assert len(names) == 46
    assert set(names) <= set(CATALOG)


def test_published_figures_of_the_paper():
    assert published_error("mnist-rts/st-cnn-affine") == 0.5
    assert published_error("mnist-tc/fcn") == 13.2
    assert published_error("mnist-tc/st-cnn-tps") is None
    assert published_error("mnist-tc84/co-localiser") == (6.0, 25.0)  # by digit, without a mean
    assert published_text(published_error("mnist-tc84/co-localiser")) == "6.0 to 25.0"


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("name", CATALOG)
def test_budgets_fit_experiments(name, budget):
    assert choose(name, budget=budget).label == budget


def test_papers_budget():
    config = choose("mnist-rts/st-cnn-affine", budget="paper").config
    training, model = config.training, config.model
    assert (training.recipe, training.steps, training.lr, training.clip) == ("published", 150_000, 0.01, 0)
    assert (model.width, model.output, model.pooling) == (64, 0, 2)  # the experiment's own


@pytest.mark.parametrize("name", CATALOG)
def test_the_paper_has_no_aids_of_ours(name):
    config = choose(name, budget="paper").config
    assert config.data.bend == config.training.outside_penalty == 0


@pytest.mark.parametrize("name", CATALOG)
def test_quick_is_shorter_than_standard(name):
    quick, standard = (choose(name, budget=budget).config.training for budget in ("quick", "standard"))
    assert quick.epochs < standard.epochs


def test_unknown_budget_is_refused():
    with pytest.raises(OptionError, match="budget"):
        named("mnist-rts/cnn", budget="papre")


def test_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(OptionError, match="'mnist-rts/st-cnn-affine'"):
        named("mnist-rts/st-cnn-afine")
    with pytest.raises(OptionError, match="--list"):
        named("something else")


def test_unknown_budget_is_refused_with_the_nearest():
    with pytest.raises(OptionError, match="Did you mean 'paper'"):
        choose("mnist-r/cnn", budget="papr")


def test_changed_settings_have_a_label_of_their_own():
    first = choose("mnist-r/cnn", ["training.epochs=3"])
    second = choose("mnist-r/cnn", ["training.epochs=4"])
    assert first.label.startswith("custom-")
    assert first.label != second.label
    assert choose("mnist-r/cnn", ["training.epochs=3"]).label == first.label
    usual = choose("mnist-r/cnn").config.training.epochs
    assert choose("mnist-r/cnn", [f"training.epochs={usual}"]).label == "standard"
