"""The training loop: steps, schedule, averaged weights, checkpoints, losses on disk."""

from __future__ import annotations

import copy
import csv
import io
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ..atomic_files import replacing
from ..errors import TrainingError
from ..models.losses import Sampling, Target, losses
from ..models.maskrcnn import Architecture, MaskRCNN
from ..models.runtime import autocast
from ..progress import Progress
from .data import Crops
from .examples import Example
from .memory import less, smaller
from .parallel import ALONE, World

if TYPE_CHECKING:
    from .recipe import Recipe, Schedule

Batch = tuple[Tensor, list[Target]]


@dataclass
class State:
    """All that a run needs to go on after it was stopped.

    Attributes
    ----------
    model, ema : MaskRCNN
        The weights that are stepped, and their running average, which is what ships.
    step : int
        Steps done.
    seconds : float
        Time spent on them.
    best : float
        Best validation figure so far, −1 before the first one.
    """

    model: MaskRCNN
    ema: MaskRCNN
    optimizer: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    best: float = -1.0

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all.

        Raises
        ------
        UserError
            If it cannot be written; the earlier one is still there.
        """
        whole = io.BytesIO()  # torch's own writer does not survive a full disk
        torch.save(
            {
                "arch": self.model.arch.to_dict(),
                "model": self.model.state_dict(),
                "ema": self.ema.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "step": self.step,
                "seconds": self.seconds,
                "best": self.best,
            },
            whole,
        )
        with replacing(path) as file:
            file.write(whole.getbuffer())

    def load(self, path: Path) -> None:
        """Go on from a checkpoint of the same architecture."""
        saved = torch.load(path, map_location="cpu", weights_only=True)
        self.model.load_state_dict(saved["model"])
        self.ema.load_state_dict(saved["ema"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.step, self.seconds, self.best = saved["step"], saved["seconds"], saved["best"]


def new_state(
    arch: Architecture,
    schedule: Schedule,
    start: dict[str, Tensor] | None,
    device: torch.device,
) -> State:
    """Make a fresh run, from `start`'s weights; random ones where it has none."""
    torch.manual_seed(schedule.seed)
    model = MaskRCNN(arch).to(device).to(memory_format=torch.channels_last)
    if start is not None:
        model.load_state_dict({**model.state_dict(), **start})
    ema = copy.deepcopy(model).eval().requires_grad_(False)
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(
        groups,
        lr=schedule.rate,
        weight_decay=schedule.weight_decay,
        fused=True,
    )
    return State(model, ema, optimizer)


def learning_rate(schedule: Schedule, step: int, done: float) -> float:
    """Warm up by steps, hold, then fall linearly to a fiftieth over the rest.

    Parameters
    ----------
    done : float
        Share of the schedule that is done, 0…1.
    """
    warm = min(1.0, (step + 1) / schedule.warmup_steps)
    fall = max(0.0, done - schedule.decay_from) / max(1e-6, 1 - schedule.decay_from)
    return schedule.rate * warm * max(0.02, 1 - fall)


def batches(crops: Crops, schedule: Schedule) -> Iterator[Batch]:
    """Draw batches, ahead of time in `schedule.workers` processes."""
    loader = DataLoader(
        crops,
        batch_size=crops.part,
        num_workers=schedule.workers,
        collate_fn=_collate,
        prefetch_factor=4 if schedule.workers else None,
        worker_init_fn=one_thread,
    )
    return iter(loader)


def _collate(items: list[tuple[Tensor, Target]]) -> Batch:
    return torch.stack([image for image, _ in items]), [target for _, target in items]


def one_thread(_worker: int) -> None:
    """Let a process that draws crops compute with one thread: there are many of them."""
    torch.set_num_threads(1)


def train_steps(
    state: State,
    examples: list[Example],
    recipe: Recipe,
    device: torch.device,
    log: Path,
    world: World = ALONE,
) -> Iterator[Progress]:
    """Step until the schedule is done; yields after each step, with the losses as `new`.

    Saving and validating are the caller's. Where memory runs out, crops and batches shrink,
    and `new` is a line that says so.

    Raises
    ------
    UserError
        If not even the smallest crop fits into memory.
    """
    schedule = recipe.schedule
    if schedule.batch % world.size:
        raise TrainingError(
            f"a batch of {schedule.batch} crops cannot be shared by {world.size} processes: set "
            "schedule.batch in the recipe to a multiple of their number."
        )
    state.model.train()
    if schedule.freeze_norm:
        freeze_norm(state.model)
    source = drawn(state, examples, schedule, recipe, world)
    with log.open("a", newline="", encoding="utf-8") as file:
        writer: Any = None
        while (done := spent(schedule, state)) < 1:
            begun = time.monotonic()
            try:
                values = step(state, next(source), schedule, device, done, world)
            except (RuntimeError, MemoryError) as error:
                schedule = smaller(schedule, error, world)
                source = drawn(state, examples, schedule, recipe, world)
                yield Progress(done, 1, new=less(schedule))
                continue
            state.seconds += world.mean(time.monotonic() - begun)
            row = {"step": state.step, "seconds": round(state.seconds, 1), **values}
            if writer is None:
                writer = csv.DictWriter(file, list(row))
                if log.stat().st_size == 0:
                    writer.writeheader()
            if world.first:
                writer.writerow(row)
                file.flush()
            yield Progress(spent(schedule, state), 1, f"loss {values['loss']:.3f}", row)


def spent(schedule: Schedule, state: State) -> float:
    """Return the share of a schedule that a run has behind it: of its steps, or of its time."""
    if schedule.steps is not None:
        return state.step / schedule.steps
    return state.seconds / (schedule.minutes * 60)


def drawn(
    state: State, examples: list[Example], schedule: Schedule, recipe: Recipe, world: World
) -> Iterator[Batch]:
    """Draw this process's part of each batch, from the state's step on."""
    crops = Crops(
        examples,
        schedule.crop,
        recipe.data.balance,
        schedule.zoom_spread,
        schedule.seed,
        state.step * schedule.batch,
        schedule.batch,
        world.rank,
        world.size,
        recipe.augment,
    )
    return batches(crops, schedule)


def step(
    state: State,
    batch: Batch,
    schedule: Schedule,
    device: torch.device,
    done: float,
    world: World = ALONE,
) -> dict[str, float]:
    """Make one optimizer step and return its losses as numbers.

    Raises
    ------
    RuntimeError, MemoryError
        What torch and Python raise out of memory; then the state is as it was.
    """
    rate = learning_rate(schedule, state.step, done)
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    state.optimizer.zero_grad(set_to_none=True)
    parts, total = backward(state.model, batch, device, world)
    world.average(state.model, buffers=not schedule.freeze_norm)
    norm = nn.utils.clip_grad_norm_(state.model.parameters(), 5.0)
    if torch.isfinite(norm):
        state.optimizer.step()
    state.step += 1
    average(state.ema, state.model, min(schedule.ema, (1 + state.step) / (10 + state.step)))
    values = {name: round(float(part.detach()), 5) for name, part in parts.items()}
    return {"loss": round(float(total.detach()), 5), **values, "norm": round(float(norm), 3)}


def backward(
    model: MaskRCNN, batch: Batch, device: torch.device, world: World = ALONE
) -> tuple[dict[str, Tensor], Tensor]:
    """Find the losses of a batch, their sum, and this process's part of the gradients."""
    images = batch[0].to(device, memory_format=torch.channels_last)
    targets = [
        replace(
            t,
            boxes=t.boxes.to(device),
            ids=t.ids.to(device),
            labels=t.labels.to(device),
            known=t.known.to(device),
        )
        for t in batch[1]
    ]
    with autocast(device):
        parts = losses(model, images, targets, Sampling(), world.counts)
    total = torch.stack(list(parts.values())).sum()
    total.backward()
    return parts, total


@torch.no_grad()
def average(ema: nn.Module, model: nn.Module, keep: float) -> None:
    """Move the averaged weights a step towards the current ones; counters are copied."""
    for mine, theirs in zip(ema.state_dict().values(), model.state_dict().values(), strict=True):
        if mine.dtype.is_floating_point:
            mine.lerp_(theirs, 1 - keep)
        else:
            mine.copy_(theirs)


def freeze_norm(model: nn.Module) -> None:
    """Hold the normalisation layers at what they have learned."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval().requires_grad_(False)
