"""Weights kept beside the records, small enough to commit, from which a recorded error can be computed again."""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from unwarp._optional import require
from unwarp.errors import DataError
from unwarp.experiments.build import build_model, build_test_batches
from unwarp.experiments.config import ExperimentConfig
from unwarp.experiments.evaluation import error_rate
from unwarp.experiments.records import Record, read_record
from unwarp.experiments.trained import load_trained

__all__ = ["Card", "Recomputed", "card_file", "cards", "keep_weights", "recompute"]


@dataclass(frozen=True)
class Card:
    """What a file of weights holds.

    Attributes:
        experiment: name.
        label: of the run's settings.
        seed: of the run.
        config: every setting.
        test_error: of the run's record, in percent, in the arithmetic of its training.
        float32_error: the same weights in float32 on a CPU, in percent.
        test_examples: test images.
        commit: of unwarp, from the record.
        sha256: of the weights' file.
    """

    experiment: str
    label: str
    seed: int
    config: dict[str, Any]
    test_error: float
    float32_error: float
    test_examples: int
    commit: str | None
    sha256: str


@dataclass(frozen=True)
class Recomputed:
    """An error computed again from kept weights.

    Attributes:
        card: what was kept.
        error: found now, in float32 on this machine, in percent.
    """

    card: Card
    error: float

    @property
    def agrees(self) -> bool:
        """Whether the card's figures are those of the weights.

        At most 2 of 10,000 answers differ from those in float32: machines round differently, and a few digits are near
        a tie. At most 10 of them, or 2 of fewer digits, differ from those in the training's arithmetic, which may have
        8 bits.
        """
        rounding = max(0.1, 200 / self.card.test_examples)
        in_float32, in_training = abs(self.error - self.card.float32_error), abs(self.error - self.card.test_error)
        return in_float32 <= 0.02 + 1e-9 and in_training <= rounding + 1e-9


def keep_weights(record: Record, checkpoint: Path, results: Path, *, data_dir: Path | None = None) -> Path:
    """Keep the weights of a run beside its record, with a card.

    Args:
        record: of the run.
        checkpoint: the run's best.
        results: folder of all records.
        data_dir: folder of the four MNIST files, else they are downloaded once.

    Returns:
        The card's file.
    """
    trained = load_trained(checkpoint)
    batches = build_test_batches(trained.config.data, data_dir=data_dir)
    path = results / card_file(record)
    weights = path.with_suffix(".safetensors")
    weights.parent.mkdir(parents=True, exist_ok=True)
    require("safetensors.torch", extra="train").save_file(trained.model.state_dict(), weights)
    card = Card(
        experiment=record.name,
        label=record.label,
        seed=record.seed,
        config=record.config,
        test_error=record.test_error,
        float32_error=round(error_rate(trained.model, batches), 4),
        test_examples=len(batches.labels),
        commit=record.commit,
        sha256=_digest(weights),
    )
    path.write_text(json.dumps(asdict(card), indent=1) + "\n", encoding="utf-8")
    return path


def card_file(record: Record) -> Path:
    """Where the card of a run's kept weights lies in the folder of records."""
    return record.file.with_name(f"weights-{record.file.name}")


def cards(experiment: str, results: Path) -> list[Path]:
    """The cards of an experiment's kept weights."""
    return sorted((results / experiment).glob("weights-*.json"))


def recompute(path: Path, *, data_dir: Path | None = None) -> Recomputed:
    """Compute the test error of kept weights again, in float32 on the CPU.

    Args:
        path: of the card.
        data_dir: folder of the four MNIST files, else they are downloaded once.

    Raises:
        DataError: the card is none, or the record beside it or the weights are not the ones it describes.
    """
    card, weights = _read(path), path.with_suffix(".safetensors")
    _compare(card, path)
    if not weights.is_file() or _digest(weights) != card.sha256:
        raise DataError(f"weights: expected {weights} as {path.name} describes it, found it missing or changed.")
    config = ExperimentConfig.read(card.config)
    model = build_model(config.model, config.data)
    model.load_state_dict(require("safetensors.torch", extra="train").load_file(weights))
    return Recomputed(card, error_rate(model.eval(), build_test_batches(config.data, data_dir=data_dir)))


def _compare(card: Card, path: Path) -> None:
    """Raise where a card does not say what the record of its run does."""
    record = read_record(path.with_name(path.name.removeprefix("weights-")))
    pairs = {
        "experiment": (card.experiment, record.name),
        "label": (card.label, record.label),
        "seed": (card.seed, record.seed),
        "test_error": (card.test_error, record.test_error),
        "test_examples": (card.test_examples, record.test_examples or card.test_examples),
        "commit": (card.commit, record.commit),
        **_pairs(_settings(card.config), _settings(record.config)),
    }
    different = [
        f"{name} {said!r} instead of {recorded!r}" for name, (said, recorded) in pairs.items() if said != recorded
    ]
    if different:
        raise DataError(
            f"card: expected {path} to say what the record beside it does, got {', '.join(different)}. "
            "Keep the weights again, by --keep."
        )


def _settings(config: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {f"{part}.{name}": value for part, values in config.items() for name, value in values.items()}


def _pairs(said: dict[str, Any], recorded: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    names = dict.fromkeys([*said, *recorded])
    return {name: (said.get(name, "nothing"), recorded.get(name, "nothing")) for name in names}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read(path: Path) -> Card:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        card = Card(**{field.name: values[field.name] for field in fields(Card)})
        _settings(card.config)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"card: expected a file that describes kept weights, got {path} ({error!r}).") from error
    return card
