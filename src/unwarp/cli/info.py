"""`unwarp info`: what this installation can do."""

import os

from rich.table import Table

from unwarp.cli.console import plain_console

__all__ = ["info"]


def info() -> None:
    """Show versions, backends and why others are missing, processor and precision."""
    import torch

    import unwarp
    from unwarp.experiments import provenance
    from unwarp.training.precision import fastest

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    machine, precision = provenance.machine(device), fastest(device)
    table = Table(show_header=False)
    for name, version in provenance.versions().items():
        table.add_row(name, version)
    for name, reason in unwarp.available_backends().items():
        table.add_row(f"backend {name}", "active" if reason is None else f"missing: {reason}")
    table.add_row("processor", f"{machine['processor']}, {os.cpu_count()} cores, {machine['threads']} threads used")
    table.add_row("instructions", str(machine["cpu_capability"]))
    table.add_row("device", str(machine.get("gpu", device)))
    table.add_row("precision", precision.dtype + (", channels last" if precision.channels_last else ""))
    plain_console().print(table, soft_wrap=False)
