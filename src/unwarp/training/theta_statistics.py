"""Watches what the spatial transformers predict while they train."""

import warnings
from collections import defaultdict
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor
from torch.optim import Optimizer

from unwarp.nn import AbstractSpatialTransformer
from unwarp.training.collapse import SMALLEST_SPREAD, CollapseWarning, Look, look, signs
from unwarp.training.epoch_figures import EpochFigures
from unwarp.training.module import ClassificationModule
from unwarp.training.theta_probe import ThetaProbe, transformers

__all__ = ["ThetaStatistics"]


class ThetaStatistics(Callback):
    """Logs where the spatial transformers of any `LightningModule` look, and warns when one collapses.

    At each validation, over theta of its last batch of more than one image: ``theta_mean``, ``theta_spread`` (standard
    deviation over the images, averaged over theta's entries: zero while the transformer treats all images alike; not
    where batches have one image), ``theta_least``, ``theta_most``, and ``theta_outside``, the share of samples outside
    of the image. Averaged over the steps of the epoch: ``localiser_gradient``, the norm of the gradient of all that
    predicts theta, before clipping. With several transformers the name of its place follows, as in
    ``theta_mean/stages.1``.

    A `CollapseWarning` says in plain words, once for each transformer, that it has zoomed out, looks off the image, has
    zoomed in on a spot, or gives all images the same theta, and what helps.

    Args:
        patience: epochs for which theta may be the same for all images; a tenth of the training where that is longer.
    """

    def __init__(self, *, patience: int = 5) -> None:
        self.patience = patience
        self._probe: ThetaProbe | None = None
        self._watched: dict[str, AbstractSpatialTransformer] = {}
        self._gradients: dict[str, list[Tensor]] = defaultdict(list)
        self._figures = EpochFigures()
        self._thetas: dict[str, Tensor] = {}
        self._constant_since: dict[str, int] = {}
        self._warned: set[tuple[str, str]] = set()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find the transformers."""
        inner = pl_module.model if isinstance(pl_module, ClassificationModule) else pl_module
        if self._probe is None or list(transformers(inner).values()) != list(self._watched.values()):
            self._watched = transformers(inner)
            self._probe = pl_module.probe if isinstance(pl_module, ClassificationModule) else ThetaProbe(pl_module)

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Log the norm of each localiser's gradient."""
        for place, transformer in self._watched.items():
            found = [one.grad for one in transformer.localising_parameters() if one.grad is not None]
            norm = torch.nn.utils.get_total_norm(found) if found else torch.zeros((), device=pl_module.device)
            self._gradients[place].append(norm.detach())
            self._figures.add(self._name("localiser_gradient", place), norm)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Log the means of the norms with the epoch's last batch."""
        if trainer.is_last_batch:
            for name, mean in self._figures.means().items():
                pl_module.log(name, mean, on_step=False, on_epoch=True, batch_size=1)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep the batch's theta; a single one has no spread."""
        if self._probe is not None:
            single = {place for place, theta in self._probe.last.items() if len(theta) == 1}
            kept = {place: theta for place, theta in self._thetas.items() if place in single}
            self._thetas = self._probe.last | kept

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log theta, and warn of what it shows."""
        if trainer.sanity_checking or self._probe is None:
            return
        for place, theta in self._thetas.items():
            seen = look(theta.float(), self._watched[place].transform)
            self._log(pl_module, place, theta, seen)
            if trainer.state.fn == TrainerFn.FITTING:  # validation alone trains nothing that could have collapsed since
                patience = max(self.patience, (trainer.max_epochs or 0) // 10)
                self._judge(place, seen, epoch=trainer.current_epoch, patience=patience)
        self._thetas = {}

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"constant_since": dict(self._constant_since), "warned": sorted(self._warned)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self._constant_since = dict(state_dict.get("constant_since", {}))  # the first versions counted otherwise
        self._warned = {(place, sign) for place, sign in state_dict["warned"]}

    def _log(self, pl_module: LightningModule, place: str, theta: Tensor, seen: Look) -> None:
        figures = {
            "mean": theta.mean(),
            "least": theta.min(),
            "most": theta.max(),
            "outside": torch.tensor(seen.outside),
        }
        if seen.spread is not None:
            figures["spread"] = theta.std(dim=0, unbiased=False).mean()
        pl_module.log_dict({self._name(f"theta_{name}", place): value for name, value in figures.items()})

    def _judge(self, place: str, seen: Look, *, epoch: int, patience: int) -> None:
        norms = self._gradients.pop(place, [])
        gradient = torch.stack(norms).max().item() if norms else None
        if seen.spread is not None and not seen.spread < SMALLEST_SPREAD:
            self._constant_since.pop(place, None)
        elif seen.spread is not None:
            self._constant_since.setdefault(place, epoch)
        constant = epoch + 1 - self._constant_since.get(place, epoch + 1)
        for sign, sentence in signs(seen, constant, gradient, patience).items():
            if (place, sign) not in self._warned:
                self._warned.add((place, sign))
                warnings.warn(f"The spatial transformer {place!r} {sentence}", CollapseWarning, stacklevel=2)

    def _name(self, figure: str, place: str) -> str:
        return f"{figure}/{place}" if len(self._watched) > 1 else figure
