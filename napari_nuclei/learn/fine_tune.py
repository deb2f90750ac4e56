"""A short, gentle training from a model that is good already."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..atomic_files import replacing
from ..errors import UserError
from ..models.maskrcnn import MaskRCNN
from ..progress import Progress
from .examples import Example
from .loop import State, new_state, train_steps
from .parallel import World
from .recipe import Data, Recipe, Schedule
from .run import forget_after

SAVE_SECONDS = 60
"""Between checkpoints: what a killed run loses at most."""

LAST, BEST = "last.ckpt", "best.pt"

PATIENCE = 2
"""Validations without a gain after which training stops."""

Check = Callable[[MaskRCNN, str], Generator[Progress, None, float]]
"""Judges weights on the tiles that are chosen by: higher is better."""


def schedule(seconds: float, seed: int = 0) -> Schedule:
    """Return the schedule of a retraining: small steps, few of them, normalisation as it was."""
    return Schedule(
        minutes=seconds / 60,
        batch=4,
        crop=256,
        rate=1e-4,
        warmup_steps=10,
        decay_from=0.2,
        ema=0.98,
        zoom_spread=0.2,
        freeze_norm=True,
        workers=0 if os.name == "nt" else 1,
        seed=seed,
    )


@dataclass
class Tuning:
    """One run of training, as far as it has come.

    Attributes
    ----------
    start : MaskRCNN
        The old weights.
    examples : list of Example
        What is learned from.
    folder : Path
        Of checkpoints and losses.
    plan : Schedule
        See `schedule`.
    processes : World
        Those that train together.
    between : float
        Seconds of training between validations.
    """

    start: MaskRCNN
    examples: list[Example]
    folder: Path
    plan: Schedule
    processes: World
    between: float
    _kept: dict[str, Tensor] | None = None

    def run(self, check: Check, first: float) -> Generator[Progress, None, State]:
        """Train until the time is up or nothing more is gained; the value has the best weights.

        Parameters
        ----------
        check : callable
            See `Check`; only asked in the first process.
        first : float
            What the old weights got.
        """
        state = yield from self._state()
        state.best = max(state.best, first)
        recipe = Recipe(
            name="retraining", out=self.folder, data=Data(balance=1.0), schedule=self.plan
        )
        log = self.folder / "losses.csv" if self.processes.first else Path(os.devnull)
        steps = train_steps(
            state, self.examples, recipe, self.processes.device, log, self.processes
        )
        saved, checked, idle, may_save = time.monotonic(), state.seconds, 0, True
        for step in steps:
            stop = False
            yield _told(step)
            if self.processes.first:
                if may_save and time.monotonic() - saved > SAVE_SECONDS:
                    may_save = yield from self._save(state)
                    saved = time.monotonic()
                if state.seconds - checked > self.between:
                    idle = 0 if (yield from self._check(state, check)) else idle + 1
                    checked, stop = state.seconds, idle >= PATIENCE
            if self.processes.of_first(float(stop)):
                break
        if self.processes.first:
            if state.seconds > checked:
                yield from self._check(state, check)
            self._best(state)
        return state

    def _state(self) -> Generator[Progress, None, State]:
        state = new_state(
            self.start.arch, self.plan, self.start.state_dict(), self.processes.device
        )
        last = self.folder / LAST
        if last.is_file():
            try:
                state.load(last)
                yield Progress(0, 0, new=told(f"Continuing from step {state.step}"))
            except Exception:  # torch raises whatever a broken file brings up
                state = new_state(
                    self.start.arch, self.plan, self.start.state_dict(), self.processes.device
                )
                yield Progress(0, 0, new=told("The checkpoint is damaged: starting over"))
        if state.step:
            self._kept = _read(self.folder / BEST)
        if self.processes.first:
            forget_after(self.folder / "losses.csv", state.step)
        return state

    def _save(self, state: State) -> Generator[Progress, None, bool]:
        try:
            state.save(self.folder / LAST)
        except UserError as error:
            yield Progress(0, 0, new=told(f"Continuing without checkpoints: {error}"))
            return False
        return True

    def _check(self, state: State, check: Check) -> Generator[Progress, None, bool]:
        figure = yield from check(state.ema, "Validating")
        row = {"step": state.step, "seconds": round(state.seconds, 1), "f1_50": round(figure, 4)}
        yield Progress(state.seconds, self.plan.minutes * 60, new={"event": "validation", **row})
        if figure <= state.best:
            return False
        state.best = figure
        self._kept = {name: tensor.clone() for name, tensor in state.ema.state_dict().items()}
        whole = io.BytesIO()
        torch.save(self._kept, whole)
        with suppress(UserError), replacing(self.folder / BEST) as file:  # `_save` tells it
            file.write(whole.getbuffer())
        return True

    def _best(self, state: State) -> None:
        """Take the best averaged weights; the last ones where none was better than the old."""
        if self._kept is not None:
            state.ema.load_state_dict(self._kept)


def _read(path: Path) -> dict[str, Tensor] | None:
    try:
        state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # missing or broken: the last weights are used
        return None
    return state


def told(text: str) -> dict[str, Any]:
    """Return the event that tells a person something."""
    return {"event": "told", "text": text}


def _told(step: Progress) -> Progress:
    """Turn what the loop yields into events."""
    if isinstance(step.new, str):
        return replace(step, new=told(step.new))
    return replace(step, new={"event": "loss", **step.new})


@torch.no_grad()
def mixed(old: MaskRCNN, new: MaskRCNN, factor: float) -> MaskRCNN:
    """Return weights between the old ones (0) and the new ones (1).

    Notes
    -----
    Fine-tuned weights lie in the same basin as those they came from: in between, much of the new
    is gained already and little of the old is lost (Wortsman et al. 2022).
    """
    model = MaskRCNN(old.arch)
    mine, theirs = old.state_dict(), new.state_dict()
    model.load_state_dict(
        {
            name: t.float().lerp(theirs[name].to(t.device).float(), factor)
            if t.dtype.is_floating_point
            else t
            for name, t in mine.items()
        }
    )
    return model.eval().requires_grad_(False)
