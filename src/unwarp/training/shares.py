"""What each of several processes takes of the batches: together exactly what one process would."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor
from torch.utils.data import Dataset, Sampler

from unwarp.errors import OptionError

__all__ = ["ShareOfKeys", "ShareOfRows"]


class ShareOfKeys(Sampler[Any]):
    """Every so many-th key of an epoch: process ``rank`` of n takes keys ``rank``, ``rank + n``, ``rank + 2 n``, ...

    One step of all processes together is thus a step on n consecutive batches. What does not fill a last step is left
    out: a process without a batch would keep the others waiting.

    Args:
        keys: of all batches; its ``set_epoch``, if it has one, is passed on.
        rank: of the process.
        processes: how many there are.
    """

    def __init__(self, keys: Sampler[Any], *, rank: int, processes: int) -> None:
        self.keys = keys
        self.rank = rank
        self.processes = processes

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next iteration, counted from 0."""
        choose = getattr(self.keys, "set_epoch", None)
        if choose is not None:
            choose(epoch)

    def __len__(self) -> int:
        return len(self.keys) // self.processes  # pyright: ignore[reportArgumentType]: torch's samplers need no len

    def __iter__(self) -> Iterator[Any]:
        own = (key for index, key in enumerate(self.keys) if index % self.processes == self.rank)
        return (key for key, _ in zip(own, range(len(self)), strict=False))


class ShareOfRows(Dataset[tuple[Tensor, ...]]):
    """Of every batch the rows ``rank``, ``rank + n``, ...: figures summed over the processes are those of the whole.

    Args:
        batches: fixed batches, tuples of tensors.
        rank: of the process.
        processes: how many there are.

    Raises:
        OptionError: a batch has fewer rows than there are processes.
    """

    def __init__(self, batches: Dataset[Any], *, rank: int, processes: int) -> None:
        self.batches = batches
        self.rank = rank
        self.processes = processes

    def __len__(self) -> int:
        return len(self.batches)  # pyright: ignore[reportArgumentType]: torch's datasets need no len

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        batch: tuple[Tensor, ...] = self.batches[index]
        if len(batch[0]) < self.processes:
            raise OptionError(
                f"devices: expected at most {len(batch[0])} processes, as many as batch {index} has images, got "
                f"{self.processes}. Use fewer, or another data.validation."
            )
        return tuple(part[self.rank :: self.processes] for part in batch)
