"""How many processes train together, and which of them writes."""

from dataclasses import dataclass
from typing import Any

from lightning.pytorch.utilities import rank_zero_only

from unwarp._checks import option
from unwarp.errors import OptionError

__all__ = ["STRATEGIES", "Devices", "is_writer"]

STRATEGIES = ("auto", "ddp", "ddp_find_unused_parameters_true")


@dataclass(frozen=True)
class Devices:
    """One process a device; in each step every process takes a batch of its own, and their gradients are averaged.

    Lightning starts the processes of a node, unless torchrun or SLURM has started them.

    Attributes:
        per_node: devices of each machine; on a CPU, processes.
        nodes: machines.
        strategy: how processes work together, by Lightning's name for it.

    Raises:
        OptionError: a count is not positive, or the strategy is unknown.

    Examples:
        >>> Devices(4, nodes=2).processes
        8
    """

    per_node: int = 1
    nodes: int = 1
    strategy: str = "auto"

    def __post_init__(self) -> None:
        if min(self.per_node, self.nodes) < 1:
            raise OptionError(f"devices, num_nodes: expected at least 1, got {self.per_node} and {self.nodes}.")
        option("strategy", self.strategy, STRATEGIES)

    @property
    def processes(self) -> int:
        """Of all machines together."""
        return self.per_node * self.nodes

    @property
    def label(self) -> str:
        """What tells the records of such a run from those of one process, whose steps see fewer images."""
        return "" if self.processes == 1 else f"-{self.processes}processes"

    def options(self) -> dict[str, Any]:
        """The trainer's arguments. Batches are shared out by `BatchDataModule`, not by the trainer."""
        return {
            "devices": self.per_node,
            "num_nodes": self.nodes,
            "strategy": self.strategy,
            "use_distributed_sampler": False,
        }


def is_writer() -> bool:
    """Whether this is the one process that writes records and prints: the first."""
    return not getattr(rank_zero_only, "rank", 0)
