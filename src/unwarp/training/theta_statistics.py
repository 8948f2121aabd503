"""Logs what the spatial transformers predict while they train."""

from lightning import Callback, LightningModule, Trainer

from unwarp.training.module import ClassificationModule

__all__ = ["ThetaStatistics"]


class ThetaStatistics(Callback):
    """Logs theta of the last validation batch, once an epoch and for every spatial transformer.

    The names are ``theta_mean``, ``theta_spread`` (standard deviation over the images, averaged over theta's entries:
    zero while the transformer treats all images alike), ``theta_least`` and ``theta_most``; with several transformers
    the name of its place follows, as in ``theta_mean/stages.1``.
    """

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.sanity_checking or not isinstance(pl_module, ClassificationModule):
            return
        several = len(pl_module.probe.last) > 1
        for place, theta in pl_module.probe.last.items():
            figures = {
                "mean": theta.mean(),
                "spread": theta.std(dim=0, unbiased=False).mean(),
                "least": theta.min(),
                "most": theta.max(),
            }
            suffix = f"/{place}" if several else ""
            pl_module.log_dict({f"theta_{name}{suffix}": value for name, value in figures.items()})
