"""The callback on anybody's Lightning module: what it logs, and of what it warns."""

import warnings

import pytest
import torch
from lightning import LightningModule, Trainer
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from support.generators import image
from unwarp.nn import ConvLocaliser, ParallelSpatialTransformer, SpatialTransformer
from unwarp.training.collapse import CollapseWarning
from unwarp.training.theta_statistics import ThetaStatistics

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*is deprecated:FutureWarning"),
]


class Own(LightningModule):
    def __init__(self, *transformers, lr=0.0):
        super().__init__()
        self.network = nn.Sequential(*transformers)
        self.lr = lr

    def training_step(self, batch, index):
        return self.network(batch[0]).square().mean()

    def validation_step(self, batch, index):
        self.network(batch[0])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), self.lr)


def transformer(theta=None, **options):
    made = SpatialTransformer(ConvLocaliser(1, 28), "attention", **options)
    with torch.no_grad():
        if theta is not None:
            made.regression.bias.copy_(torch.tensor(theta))
    return made


def fitted(module, *, epochs=1, patience=5, images=6, held_out=6, save=None, resume=None, **trainer):
    data, validation = (
        DataLoader(TensorDataset(image((28, 28), batch=count, channels=1)), batch_size=3)
        for count in (images, held_out)
    )
    callback = ThetaStatistics(patience=patience)
    options = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "log_every_n_steps": 1}
    options |= {"accelerator": "cpu", "enable_model_summary": False, "max_epochs": epochs} | trainer
    trainer = Trainer(callbacks=[callback], **options)
    trainer.fit(module, data, validation, ckpt_path=resume)
    if save is not None:
        trainer.save_checkpoint(save)
    return {name: value.item() for name, value in trainer.callback_metrics.items()}


def warned(module, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CollapseWarning)
        fitted(module, **options)
    return [str(one.message) for one in caught if issubclass(one.category, CollapseWarning)]


def test_it_logs_theta_the_share_outside_and_the_gradient():
    module = Own(transformer([1.5, 0.0, 0.0]))
    figures = fitted(module)
    expected = {"theta_mean": 0.5, "theta_spread": 0, "theta_least": 0, "theta_most": 1.5}
    assert {name: figures[name] for name in expected} == pytest.approx(expected)
    lattice = torch.linspace(-1.5, 1.5, 17)
    assert figures["theta_outside"] == pytest.approx(1 - (lattice.abs() <= 1).float().mean().item() ** 2)
    norms = []
    for batch in image((28, 28), batch=6, channels=1).split(3):
        module.zero_grad()
        module.training_step((batch,), 0).backward()
        norms.append(torch.cat([p.grad.flatten() for p in module.parameters()]).norm())
    assert figures["localiser_gradient"] == pytest.approx(torch.stack(norms).mean().item(), rel=1e-4)


def test_several_transformers_have_their_own_names():
    figures = fitted(Own(transformer(), ParallelSpatialTransformer(ConvLocaliser(1, 28), count=2)))
    names = {name for name in figures if name.startswith(("theta", "localiser"))}
    kinds = ("theta_mean", "theta_spread", "theta_least", "theta_most", "theta_outside", "localiser_gradient")
    assert names == {f"{kind}/network.{place}" for kind in kinds for place in (0, 1)}


@pytest.mark.parametrize(
    ("theta", "words"),
    [
        ([3.0, 0.0, 0.0], "'network.0' has zoomed out"),
        ([1.0, 4.0, 0.0], "'network.0' looks off the image"),
        ([0.01, 0.0, 0.0], "'network.0' has zoomed in"),
    ],
)
def test_it_warns_of_each_collapse_once(theta, words):
    (message,) = warned(Own(transformer(theta)), epochs=3)
    assert message.startswith(f"The spatial transformer {words}")


def test_it_warns_of_a_constant_theta_after_its_patience():
    assert warned(Own(transformer()), epochs=2, patience=3) == []
    (message,) = warned(Own(transformer()), epochs=4, patience=3)
    assert "has given all images the same theta for 3 epochs. Raise the learning rate" in message


def test_a_long_training_may_take_a_tenth_of_its_epochs():
    assert warned(Own(transformer()), epochs=19, patience=2) != []
    (message,) = warned(Own(transformer()), epochs=40, patience=2)
    assert "for 4 epochs" in message


def test_it_says_when_no_gradient_reaches_the_localiser():
    messages = warned(Own(transformer([1.0, 9.0, 0.0])), epochs=2, patience=2)
    assert ["looks off the image" in message for message in messages] == [True, False]
    assert "No gradient reaches its localiser" in messages[1]


def test_a_transformer_that_tells_images_apart_is_left_in_peace():
    made = transformer()
    nn.init.normal_(made.regression.weight, std=0.5)
    assert warned(Own(made), epochs=3, patience=2) == []


def test_what_was_said_and_seen_survives_a_checkpoint(tmp_path):
    far_out = Own(transformer([3.0, 0.0, 0.0]))
    assert len(warned(far_out, patience=2, save=tmp_path / "first.ckpt")) == 1
    (message,) = warned(far_out, epochs=2, patience=2, resume=tmp_path / "first.ckpt")
    assert "same theta for 2 epochs" in message


def test_patience_counts_epochs_however_often_is_validated():
    assert warned(Own(transformer()), epochs=2, patience=3, images=30, val_check_interval=0.1) == []
    (message,) = warned(Own(transformer()), epochs=6, patience=3, check_val_every_n_epoch=2)
    assert "same theta for 3 epochs" in message


def test_a_last_batch_of_one_image_hides_nothing():
    (message,) = warned(Own(transformer()), epochs=3, patience=3, held_out=7)
    assert "same theta for 3 epochs" in message
    made = transformer()
    nn.init.normal_(made.regression.weight, std=0.5)
    assert fitted(Own(made), held_out=7)["theta_spread"] > 0


def test_a_single_image_has_no_spread():
    figures = fitted(Own(transformer()), held_out=1)
    assert "theta_spread" not in figures
    assert "theta_mean" in figures
