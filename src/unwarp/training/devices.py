"""How many processes train together, and which of them writes."""

import os
import warnings
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
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

    def join(self) -> None:
        """Take part as one of these processes, once in each of them, before it writes anything.

        Raises:
            OptionError: torchrun or SLURM has started another number of processes.
        """
        started = _started()
        if started is not None and started.differs(self):
            raise OptionError(
                f"devices, num_nodes: expected as many processes as {started}, got {self.per_node} a machine on "
                f"{self.nodes}. Give --devices the processes of a machine and --num-nodes the machines, or start one "
                "process."
            )
        if self.processes == 1:  # whatever number the shell around it has left in the environment
            rank_zero_only.rank = 0  # pyright: ignore[reportFunctionMemberAccess]: an attribute of a function

    def leaving_parameters_out(self) -> "Devices":
        """The same, for a module that leaves some parameters without a gradient in each step."""
        return replace(self, strategy=STRATEGIES[2]) if self.processes > 1 and self.strategy == "auto" else self

    def options(self) -> dict[str, Any]:
        """The trainer's arguments. Batches are shared out by `BatchDataModule`, not by the trainer."""
        return {
            "devices": self.per_node,
            "num_nodes": self.nodes,
            "strategy": self.strategy,
            "use_distributed_sampler": False,
        }


class _Started(NamedTuple):
    """Processes that something else than Lightning has started; a count is missing where it does not say."""

    by: str
    processes: int
    per_node: int | None
    nodes: int | None

    def differs(self, devices: Devices) -> bool:
        given = (devices.processes, devices.per_node, devices.nodes)
        return any(count not in (None, own) for count, own in zip(self[1:], given, strict=True))

    def __str__(self) -> str:
        shared = f", {self.per_node} a machine" if self.per_node else ""
        return f"{self.by} has started, {self.processes}{shared}"


def _started() -> _Started | None:
    """What has started the processes of this run; nothing where Lightning is to start them."""
    if TorchElasticEnvironment.detect():
        return _Started("torchrun", _number("WORLD_SIZE") or 1, _number("LOCAL_WORLD_SIZE"), None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that srun is there but not used, which is no mistake
        if SLURMEnvironment.detect():
            return _Started(
                "SLURM", _number("SLURM_NTASKS") or 1, _number("SLURM_NTASKS_PER_NODE"), _number("SLURM_NNODES")
            )
    return None


def _number(variable: str) -> int | None:
    value = os.environ.get(variable, "")
    return int(value) if value.isdecimal() else None


def is_writer() -> bool:
    """Whether this is the one process that writes records and prints: the first."""
    return not getattr(rank_zero_only, "rank", 0)
