"""Several processes that train one network together, as `torchrun` starts them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn

from ..models.losses import own_counts

CPU = torch.device("cpu")

PATIENCE = timedelta(hours=2)
"""How long the others wait while the first one validates."""


@dataclass(frozen=True, slots=True)
class World:
    """The processes of one run.

    Attributes
    ----------
    rank, size : int
        Which one this is, and how many there are. The first one also validates and writes.
    device : torch.device
        Where this one's tensors are.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = CPU

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def _sum(self, values: Tensor) -> Tensor:
        distributed.all_reduce(values)
        return values

    def counts(self, values: Sequence[int]) -> list[float]:
        """Return what each process divides its sums by, so that the mean is that of one."""
        if self.size == 1:
            return own_counts(values)
        total = self._sum(torch.tensor(values, dtype=torch.float64, device=self.device))
        return [max(1.0, float(n)) / self.size for n in total]

    def average(self, model: nn.Module, buffers: bool) -> None:
        """Put the mean over the processes in the place of each gradient.

        Parameters
        ----------
        buffers : bool
            Average running statistics as well: those of normalisation that is not frozen.
        """
        if self.size == 1:
            return
        parameters = [p for p in model.parameters() if p.requires_grad]
        for p in parameters:
            if p.grad is None:  # a loss that had nothing to learn from here
                p.grad = torch.zeros_like(p)
        shared = [p.grad for p in parameters if p.grad is not None]
        if buffers:
            shared += [b for b in model.buffers() if b.dtype.is_floating_point]
        with torch.no_grad():
            mean = self._sum(torch.cat([t.flatten() for t in shared])) / self.size
            for tensor, part in zip(shared, mean.split([t.numel() for t in shared]), strict=True):
                tensor.copy_(part.view_as(tensor))

    def mean(self, value: float) -> float:
        """Return the mean over the processes, which is the same in all of them."""
        if self.size == 1:
            return value
        total = self._sum(torch.tensor(value, dtype=torch.float64, device=self.device))
        return float(total) / self.size

    def of_first(self, value: float) -> float:
        """Return what the first process says, in all of them."""
        return self.mean(value * self.size if self.first else 0.0)


ALONE = World()


@contextmanager
def world(device: torch.device) -> Iterator[World]:
    """Join the processes that `torchrun` started; alone without it.

    Parameters
    ----------
    device : torch.device
        What this process was told to use; of several GPUs, each process takes its own.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World(device=device)
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield World(distributed.get_rank(), size, device)
    finally:
        distributed.destroy_process_group()
