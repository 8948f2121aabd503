import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from unwarp.training.checkpoints import read_checkpoint
from unwarp.training.transformer_course import course_of


def test_checkpoints_carry_theta_of_the_same_images_after_every_epoch(tmp_path, make_module, make_data, fit_small):
    module = make_module()
    outcome = fit_small(module, make_data(), tmp_path, epochs=3)
    course = course_of(read_checkpoint(outcome.last).callbacks)
    assert course.thetas.shape == (3, 4, 2, 3)
    images = make_data().validation[0][0][:4]
    assert (course.images - images).abs().max() <= 0.5 / 255 + 1e-6
    with torch.no_grad():
        last = module.model.transformer.localise(images.to(module.device))
    torch.testing.assert_close(course.thetas[-1], last.cpu(), atol=1e-5, rtol=1e-4)
    assert not torch.equal(course.thetas[0], course.thetas[-1])


def test_tensorboard_gets_pictures_and_distributions(tmp_path, make_module, make_data, fit_small):
    fit_small(make_module(), make_data(), tmp_path, epochs=3)
    (events,) = (tmp_path / "logs" / "tensorboard").rglob("events*")
    board = EventAccumulator(str(events), size_guidance={"images": 0, "histograms": 0}).Reload()
    assert [image.step for image in board.Images("transformer")] == [1, 2, 3]
    assert [histogram.step for histogram in board.Histograms("theta")] == [1, 2, 3]


def test_pictures_get_rarer_and_end_with_the_last_epoch(tmp_path, make_module, make_data, fit_small):
    fit_small(make_module(), make_data(), tmp_path, epochs=6)
    (events,) = (tmp_path / "logs" / "tensorboard").rglob("events*")
    board = EventAccumulator(str(events), size_guidance={"images": 0, "histograms": 0}).Reload()
    assert [image.step for image in board.Images("transformer")] == [1, 2, 4, 6]


def test_a_network_without_a_transformer_has_no_course(tmp_path, make_module, make_data, fit_small):
    module = make_module()
    module.model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    outcome = fit_small(module, make_data(), tmp_path, epochs=1)
    assert course_of(read_checkpoint(outcome.last).callbacks) is None
