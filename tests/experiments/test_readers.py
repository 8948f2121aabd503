import torch
import torch.nn.functional as F
from torch import nn

from unwarp.data.lines import ALPHABET
from unwarp.experiments.build import build_model, build_module
from unwarp.experiments.evaluation import characters_misread, error_rate
from unwarp.experiments.experiment import choose
from unwarp.experiments.network_files import Network, load_network
from unwarp.models.line_reader import LineReader
from unwarp.training.precision import Precision
from unwarp.training.reading_module import ReadingModule
from unwarp.transforms import Bounded, ThinPlateSpline


def echo():
    """Reads from an "image" whose rows are the logits themselves."""
    return LineReader(nn.Identity(), nn.Flatten(1, 2))


def steps(*paths):
    return F.one_hot(torch.tensor(paths), 35).float()[:, None]


def test_the_spline_of_a_reader_has_two_rows_and_limits():
    config = choose("lines/st-crnn-tps").config
    family = build_model(config.model, config.data).transformer.transform
    assert isinstance(family, Bounded)
    assert isinstance(family.transform, ThinPlateSpline)
    assert family.theta_shape == (2 * config.model.control, 2)
    assert family.transform.control[:, 1].unique().tolist() == [-1, 1]


def test_readers_are_trained_by_ctc():
    config = choose("lines/crnn", ["model.width=4"]).config
    module = build_module(config.training, build_model(config.model, config.data), Precision(), about={})
    assert isinstance(module, ReadingModule)


def test_errors_of_lines_and_characters():
    batches = [(steps([1, 0, 2], [3, 3, 0]), torch.tensor([[1, 2, 0], [3, 3, 0]]))]
    assert error_rate(echo(), batches) == 50
    assert characters_misread(echo(), batches) == 25


def test_answers_are_spelled():
    network = Network({"name": "lines/crnn"}, 1, echo(), None, ("", *ALPHABET), None)
    assert network.answers(steps([11, 11, 0, 1], [0, 0, 0, 0])) == ("A0", "")
    assert network.spelled(torch.tensor([11, 1, 0])) == "A0"


def test_a_checkpoint_of_a_reader_is_read_with_its_alphabet(tmp_path):
    experiment = choose("lines/crnn", ["model.width=4"])
    model = build_model(experiment.config.model, experiment.config.data)
    about = {"name": experiment.name, "seed": 0, "config": experiment.config.values()}
    weights = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    torch.save({"unwarp": about, "state_dict": weights, "epoch": 0}, tmp_path / "reader.ckpt")
    network = load_network(tmp_path / "reader.ckpt")
    assert network.classes == ("", *ALPHABET)
    assert all(set(text) <= set(ALPHABET) for text in network.answers(torch.rand(2, 1, 64, 128)))
