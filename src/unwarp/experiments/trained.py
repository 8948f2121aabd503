"""What a checkpoint holds: the experiment it came from and the network it trained."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from torch import nn

from unwarp.errors import CheckpointError, OptionError
from unwarp.experiments.build import build_model
from unwarp.experiments.config import ExperimentConfig
from unwarp.experiments.digits import known_digits
from unwarp.experiments.embedding import embedding_settings
from unwarp.experiments.experiment import Experiment
from unwarp.training.checkpoints import Checkpoint, load_weights, read_checkpoint

__all__ = ["Trained", "load_trained", "refuse_other_run"]

_MAY_DIFFER = ("training.epochs", "training.steps", "training.device")


class Trained(NamedTuple):
    """A network as a run left it.

    Attributes:
        name: of the experiment.
        seed: of the run.
        epoch: after how many epochs.
        config: settings of the run.
        model: the network, in evaluation mode on the CPU.
    """

    name: str
    seed: int
    epoch: int
    config: ExperimentConfig
    model: nn.Module


def load_trained(path: Path) -> Trained:
    """Rebuild the network of a checkpoint.

    Raises:
        CheckpointError: the file is no checkpoint of a run, or its settings mean nothing to this version.
    """
    checkpoint = read_checkpoint(path)
    config = _config(checkpoint)
    model = build_model(config.model, config.data)
    load_weights(model, checkpoint)
    return Trained(checkpoint.about["name"], checkpoint.about["seed"], checkpoint.epoch, config, model.eval())


def refuse_other_run(
    path: Path,
    experiment: Experiment,
    seed: int,
    *,
    digits: str | None = None,
    processes: int = 1,
    may_differ: Sequence[str] = _MAY_DIFFER,
) -> None:
    """Refuse to go on from a checkpoint of another experiment, or one with other settings.

    Args:
        path: of the checkpoint.
        experiment: what is to go on.
        seed: of its run.
        digits: digest of the digits that it is to go on with; nothing leaves them unasked.
        processes: how many are to go on together.
        may_differ: settings that need not agree: how long to train can change between two parts of a run.

    Raises:
        CheckpointError: the file is no checkpoint, or was trained with other settings; the message names them.
    """
    checkpoint = read_checkpoint(path)
    given = _flat(checkpoint.about["name"], checkpoint.about["seed"], _config(checkpoint))
    expected = _flat(experiment.name, seed, experiment.config)
    if "embedding" in checkpoint.about:
        given["embedding"], expected["embedding"] = checkpoint.about["embedding"], embedding_settings(experiment.config)
    if digits is not None:
        given["digits"] = known_digits(checkpoint.about.get("digits"), checkpoint.about["config"])
        expected["digits"] = digits
    # Another number takes other batches in each step, and other numbers of steps.
    given["processes"], expected["processes"] = checkpoint.about.get("processes", 1), processes
    differing = [key for key in expected if key not in may_differ and given[key] != expected[key]]
    if differing:
        shown = ", ".join(f"{key}: expected {expected[key]!r}, got {given[key]!r}" for key in differing)
        raise CheckpointError(
            f"checkpoint: {path} is of another run ({shown}). Resume the experiment it belongs to, "
            "or start anew in another folder with --out."
        )


def _config(checkpoint: Checkpoint) -> ExperimentConfig:
    try:
        return ExperimentConfig.read(checkpoint.about["config"])
    except (OptionError, KeyError) as error:
        raise CheckpointError(
            f"checkpoint: {checkpoint.path} has settings that this version does not know: {error} "
            "Use the version of unwarp that wrote it."
        ) from error


def _flat(name: str, seed: int, config: ExperimentConfig) -> dict[str, object]:
    sections = config.values().items()
    settings = {f"{section}.{key}": value for section, values in sections for key, value in values.items()}
    return {"experiment": name, "seed": seed, **settings}
