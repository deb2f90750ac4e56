"""Steps on a GPU that never waits for the processor, as far as that can be had."""

from __future__ import annotations

import copy
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from ...models.batched_draws import Truth
from ...models.batched_losses import losses
from ...models.losses import Sampling, Target
from ...models.runtime import autocast
from ..data import Crops
from ..examples import Example
from ..loop import State, freeze_norm, learning_rate, one_thread

if TYPE_CHECKING:
    from ..recipe import Recipe, Schedule

Batch = tuple[Tensor, Truth]
Say = Callable[[str], None]

EVERY = 50
"""Steps between two lines of the log: only then the losses are fetched from the GPU."""

AHEAD = 3
"""Batches that each worker draws ahead, if there is memory to share so many."""

TRIED = 10
"""Steps by which an order of the pixels in memory is timed."""


@dataclass
class Pace:
    """How fast it goes.

    Attributes
    ----------
    seconds, steps : float and int
        Since the start of this run.
    waited : float
        Seconds spent waiting for batches.
    recent : list of float
        Steps a second, between lines of the log.
    rows : list of dict
        Lines of the log: step, seconds, mean losses since the last.
    """

    seconds: float = 0.0
    steps: int = 0
    waited: float = 0.0
    recent: list[float] = field(default_factory=list)
    rows: list[dict[str, float]] = field(default_factory=list)


def batches(
    examples: list[Example], recipe: Recipe, start: int, workers: int, pinned: bool
) -> Iterator[Batch]:
    """Draw batches in other processes, from step `start` on: the same as `learn.loop` draws."""
    schedule = recipe.schedule
    crops = Crops(
        examples,
        schedule.crop,
        recipe.data.balance,
        schedule.zoom_spread,
        schedule.seed,
        start * schedule.batch,
        schedule.batch,
        augment=recipe.augment,
    )
    loader: DataLoader[Any] = DataLoader(
        crops,
        batch_size=schedule.batch,
        num_workers=workers,
        collate_fn=together,
        prefetch_factor=ahead(schedule, workers) if workers else None,
        pin_memory=pinned,
        worker_init_fn=one_thread,
    )
    return iter(loader)


def together(items: list[tuple[Tensor, Target]]) -> Batch:
    """Make a batch that is small to hand on: half images, labels of 16 bits."""
    truth = Truth.of([target for _, target in items])
    small = Truth(truth.boxes, truth.ids, truth.labels.to(torch.int16), truth.known)
    return torch.stack([image for image, _ in items]).half(), small


def ahead(schedule: Schedule, workers: int) -> int:
    """Return how many batches each worker may draw ahead, in half of the memory for sharing."""
    place = "/dev/shm"
    free = shutil.disk_usage(place).free if os.path.isdir(place) else 1 << 40  # noqa: PTH112
    batch = 10 * schedule.batch * schedule.crop**2
    return max(1, min(AHEAD, free // 2 // (batch * workers)))


class Trainer:
    """A run on one device.

    Parameters
    ----------
    state : State
        Of the network, on the device.
    recipe : Recipe
        What to do.
    """

    def __init__(self, state: State, recipe: Recipe, device: torch.device) -> None:
        self.state, self.recipe, self.device = state, recipe, device
        self.draw = torch.Generator(device).manual_seed(recipe.schedule.seed + state.step)
        # Not for its scale, which stays 1: it leaves out a step that is no number, without waiting.
        self.guard = torch.amp.GradScaler(device.type, init_scale=1.0, growth_interval=2**31 - 1)
        state.model.train()
        if recipe.schedule.freeze_norm:
            freeze_norm(state.model)
        self.order(torch.channels_last)

    def order(self, layout: torch.memory_format) -> None:
        """Choose the order of pixels in memory."""
        self.layout = layout
        for model in (self.state.model, self.state.ema):
            model.to(memory_format=layout)
        pair = (self.state.ema, self.state.model)
        self.averaged, self.stepped = (
            [t for t in m.state_dict().values() if t.is_floating_point()] for m in pair
        )

    def step(self, batch: Batch, done: float) -> tuple[list[str], Tensor]:
        """Make one step; return names and values of the losses, which are not fetched yet.

        Parameters
        ----------
        done : float
            Share of the schedule that is done, 0…1.
        """
        state, schedule = self.state, self.recipe.schedule
        for group in state.optimizer.param_groups:
            group["lr"] = learning_rate(schedule, state.step, done)
        state.optimizer.zero_grad(set_to_none=True)
        images = batch[0].to(self.device, non_blocking=True)
        images = images.float().contiguous(memory_format=self.layout)
        with autocast(self.device):
            parts = losses(state.model, images, batch[1].to(self.device), Sampling(), self.draw)
        values = torch.stack([*parts.values()])
        self.guard.scale(values.sum()).backward()
        self.guard.unscale_(state.optimizer)
        nn.utils.clip_grad_norm_(state.model.parameters(), 5.0)
        self.guard.step(state.optimizer)
        self.guard.update()
        state.step += 1
        keep = min(schedule.ema, (1 + state.step) / (10 + state.step))
        get_ema_multi_avg_fn(keep)(self.averaged, self.stepped, state.step)
        return list(parts), values.detach()

    def wait(self) -> None:
        """Wait until all is done that was asked for."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def choose_order(self, batch: Batch, say: Say) -> None:
        """Time steps with the pixels of all channels side by side, and without, on copies."""
        times = {}
        for name, layout in (
            ("channels last", torch.channels_last),
            ("channels first", torch.contiguous_format),
        ):
            trial = Trainer(copied(self.state), self.recipe, self.device)
            trial.order(layout)
            for step in range(2 * TRIED):
                if step == TRIED:  # the first ones choose their kernels
                    trial.wait()
                    begun = time.monotonic()
                trial.step(batch, 0.0)
            trial.wait()
            times[layout] = (time.monotonic() - begun) / TRIED
            say(f"{name}: {1 / times[layout]:.1f} steps/s without waiting for data")
        self.order(min(times, key=lambda layout: times[layout]))


def copied(state: State) -> State:
    """Return a state whose steps leave this one as it is."""
    model, ema = copy.deepcopy(state.model), copy.deepcopy(state.ema)
    pairs = list(zip(state.model.parameters(), model.parameters(), strict=True))
    groups = [
        {**group, "params": [next(c for p, c in pairs if p is mine) for mine in group["params"]]}
        for group in state.optimizer.param_groups
    ]
    return State(model, ema, torch.optim.AdamW(groups, fused=True), state.step)


def run(
    trainer: Trainer,
    source: Iterator[Batch],
    until: float,
    say: Say,
    each_log: Callable[[Pace], None],
) -> Pace:
    """Step until the schedule is done, or until a time of `time.monotonic`.

    Without `schedule.steps` the learning rate falls by the time that is left, so that it has
    fallen when the time is up.

    Parameters
    ----------
    each_log : callable
        Called after each line of the log.
    """
    pace, state, schedule = Pace(), trainer.state, trainer.recipe.schedule
    begun, earlier = time.monotonic(), state.seconds
    log = _Log(pace, state, begun, say)
    while (now := time.monotonic()) < until:
        share = (now - begun) / (until - begun)
        done = share if schedule.steps is None else state.step / schedule.steps
        if done >= 1:
            break
        batch = next(source)
        pace.waited += time.monotonic() - now
        log.add(*trainer.step(batch, done))
        if pace.steps % EVERY == 0:
            pace.seconds = time.monotonic() - begun
            state.seconds = earlier + pace.seconds
            log.write()
            each_log(pace)
    log.write()
    trainer.wait()
    pace.seconds = time.monotonic() - begun
    state.seconds = earlier + pace.seconds
    copy_counters(state)
    return pace


class _Log:
    """Sums up losses on the GPU, and fetches them now and then."""

    def __init__(self, pace: Pace, state: State, begun: float, say: Say) -> None:
        self.pace, self.state, self.last, self.say = pace, state, begun, say
        self.names: list[str] = []
        self.sums: list[Tensor] = []

    def add(self, names: list[str], values: Tensor) -> None:
        self.names = names
        self.sums.append(values)
        self.pace.steps += 1

    def write(self) -> None:
        """Write a line, if there was a step since the last one."""
        count, pace = len(self.sums), self.pace
        if not count:
            return
        means = [round(v, 5) for v in torch.stack(self.sums).mean(0).tolist()]  # waits for the GPU
        now, self.sums = time.monotonic(), []
        pace.recent.append(count / max(1e-9, now - self.last))
        self.last = now
        row = {"step": self.state.step, "seconds": round(self.state.seconds, 1), "loss": sum(means)}
        pace.rows.append({**row, **dict(zip(self.names, means, strict=True))})
        self.say(
            f"step {self.state.step}: loss {row['loss']:.3f}, {pace.recent[-1]:.1f} steps/s, "
            f"{pace.waited / max(1e-9, pace.seconds):.0%} of the time waiting for data"
        )


def copy_counters(state: State) -> None:
    """Give the averaged network what is counted, not averaged."""
    pair = (state.ema.state_dict().values(), state.model.state_dict().values())
    for mine, theirs in zip(*pair, strict=True):
        if not mine.is_floating_point():
            mine.copy_(theirs)
