"""`unwarp train folder/ROOT`: train on one's own pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from unwarp.cli.console import plain_console
from unwarp.cli.interruption import interruptible

if TYPE_CHECKING:
    from unwarp.training.devices import Devices

__all__ = ["train_folder"]


def train_folder(
    root: Path,
    settings: Sequence[str],
    *,
    out: Path | None,
    seed: int,
    strict: bool,
    resume: bool,
    overwrite: bool,
    quiet: bool,
    devices: "Devices",
) -> None:
    """Train on a folder with a subfolder of pictures for each class, and say what came of it."""
    from unwarp.cli.next_step import next_step
    from unwarp.cli.survey import print_survey
    from unwarp.experiments.experiment import custom_label
    from unwarp.experiments.folder_config import FolderConfig
    from unwarp.experiments.folder_run import run_folder
    from unwarp.training.devices import is_writer

    config = FolderConfig.read({}, settings)
    name = root.resolve().name
    target = out or Path("runs", "folder", name, f"{custom_label(config.values())}{devices.label}-seed{seed}")
    console = plain_console(quiet=not is_writer())
    console.print(f"folder/{name}, seed {seed}: {target}")
    with interruptible(console, "The same command with --resume"):
        finished = run_folder(
            root,
            config,
            target,
            seed=seed,
            strict=strict,
            resume=resume,
            overwrite=overwrite,
            progress=not quiet and is_writer(),
            devices=devices,
        )
    print_survey(console, finished.survey.skipped, finished.survey.converted)
    record = finished.record
    table = Table(show_header=False)
    table.add_row("classes", ", ".join(finished.folder.classes))
    table.add_row("pictures", "{:,} for training, {:,} for validation, {:,} for test".format(*finished.counts))
    table.add_row("test error", f"{record.test_error:.2f} %")
    table.add_row("validation error", f"{record.validation_error:.2f} %")
    table.add_row("parameters", f"{record.parameters:,}")
    table.add_row("training time", f"{record.seconds:.0f} s for {len(record.history)} epochs")
    console.print(table, soft_wrap=False)
    console.print(f"weights: {finished.checkpoint}\n{next_step(finished.checkpoint, finished.model)}")
