"""All that is done with a pack in one go, and what of it is brought home.

Needs neither pydantic nor pycocotools.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import os
import statistics
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torchvision

from ...atomic_files import replacing
from ...errors import TrainingError
from ...models.runtime import name_of, pick_device, use_threads
from ..examples import Example
from ..loop import new_state
from .loop import Batch, Pace, Trainer, batches, run
from .pack import Annotated, Pack, read_pack
from .pieces import write_pieces
from .timing import SIDE, detector_of, fields, judge, time_prediction

SAVE_EVERY = 60
"""Seconds between two checkpoints."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long it may take.

    Attributes
    ----------
    seconds, tail : float
        For all of it, and for the figures at its end.
    steps : int or None
        Instead of the recipe's.
    workers : int or None
        Processes that draw crops; all cores but two by default.
    side : int
        Of the fields that prediction is timed by, in px.
    """

    seconds: float
    tail: float
    steps: int | None = None
    workers: int | None = None
    side: int = SIDE


@dataclass
class Report:
    """Figures of a session, on disk as soon as they are known."""

    folder: Path
    values: dict[str, Any] = field(default_factory=dict)

    def note(self, **more: Any) -> None:
        """Add figures and write them all."""
        self.values |= more
        with replacing(self.folder / "figures.json") as file:
            file.write(json.dumps(_plain(self.values), indent=1).encode())

    def losses(self, pace: Pace) -> None:
        """Write the losses."""
        if not pace.rows:
            return
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(pace.rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(pace.rows)
        with replacing(self.folder / "losses.csv") as file:
            file.write(text.getvalue().encode())


def _plain(value: Any) -> Any:
    """Return what JSON can hold: it has no number that is none."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def session(path: Path, out: Path, device: str, limits: Limits) -> None:
    """Train, save, judge and time; every step of the way says a line.

    Parameters
    ----------
    path : Path
        Of the pack.
    out : Path
        Folder of what is to be brought home: pieces of the last checkpoint, `figures.json`,
        `losses.csv`.

    Raises
    ------
    UserError
        If the pack cannot be read, or there is no such device.
    """
    begun = time.monotonic()
    chosen = pick_device(device)
    pack = read_pack(path)
    cores = os.cpu_count() or 1
    report = Report(out)
    report.note(
        device=name_of(chosen),
        cores=cores,
        torch=torch.__version__,
        torchvision=torchvision.__version__,
        recipe=pack.recipe.name,
        network=pack.arch.to_dict(),
    )
    if limits.steps is not None:
        pack.recipe.schedule.steps = limits.steps
    examples = scaled_all(pack.learned)
    say(f"{len(examples)} images after {time.monotonic() - begun:.0f} s")
    workers = max(1, cores - 2) if limits.workers is None else limits.workers
    # The processes that draw crops begin before this one has anything to do with the GPU.
    source = batches(examples, pack.recipe, 0, workers, chosen.type == "cuda")
    pictures = fields(2, limits.side)
    trainer = _trainer(pack, chosen)
    pace = _trained(trainer, source, begun + limits.seconds - limits.tail, report)
    report.note(**_speed(pace, trainer, pack))
    _last(trainer, pack, pictures, report, begun + limits.seconds)


def say(text: str) -> None:
    """Say a line, at once."""
    print(text, flush=True)  # noqa: T201, this is the output of the command


def scaled_all(images: list[Annotated]) -> list[Example]:
    """Bring images to the network's scale, several at a time."""
    threads = torch.get_num_threads()
    use_threads(1)
    try:
        with ThreadPoolExecutor() as pool:
            return list(pool.map(Annotated.example, images))
    finally:
        use_threads(threads)


def _trainer(pack: Pack, device: torch.device) -> Trainer:
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True  # all sizes stay the same
        torch.set_float32_matmul_precision("high")
    state = new_state(pack.arch, pack.recipe.schedule, pack.start, device)
    return Trainer(state, pack.recipe, device)


def _trained(trainer: Trainer, source: Iterator[Batch], until: float, report: Report) -> Pace:
    first = next(source)
    if trainer.device.type == "cuda":
        trainer.choose_order(first, say)
    saved = time.monotonic()

    def each_log(pace: Pace) -> None:
        nonlocal saved
        if time.monotonic() - saved > SAVE_EVERY:
            saved = time.monotonic()
            write_pieces(trainer.state, report.folder)
            report.losses(pace)
            report.note(step=trainer.state.step, seconds=pace.seconds)

    pace = run(trainer, itertools.chain([first], source), until, say, each_log)
    paths = write_pieces(trainer.state, report.folder)
    report.losses(pace)
    say(f"step {trainer.state.step}: checkpoint in {len(paths) - 1} pieces")
    return pace


def _speed(pace: Pace, trainer: Trainer, pack: Pack) -> dict[str, Any]:
    rate = statistics.median(pace.recent) if pace.recent else pace.steps / max(1e-9, pace.seconds)
    schedule, last = pack.recipe.schedule, pace.rows[-1] if pace.rows else {}
    out = {
        "step": trainer.state.step,
        "seconds": round(pace.seconds, 1),
        "steps_per_second": round(rate, 3),
        "crops_per_second": round(rate * schedule.batch, 1),
        "batch": schedule.batch,
        "crop": schedule.crop,
        "waited_for_data": round(pace.waited / max(1e-9, pace.seconds), 3),
        "order": "last" if trainer.layout == torch.channels_last else "first",
        "loss": last.get("loss"),
    }
    if trainer.device.type == "cuda":
        out["peak_memory_gb"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
    say(f"{rate:.2f} steps/s, {rate * schedule.batch:.0f} crops/s")
    return out


def _last(trainer: Trainer, pack: Pack, pictures: list[Any], report: Report, until: float) -> None:
    """Judge the averaged weights and time them, in the time that is left."""
    model, diameter = trainer.state.ema, pack.recipe.diameter
    try:
        mine = detector_of(model, diameter, trainer.device)
        judged = judge(mine, pack.checks, time.monotonic() + (until - time.monotonic()) / 2)
        report.note(checks=judged)
        say(f"judged on images that were not learned from: {judged}")
        detectors = {trainer.device.type: mine}
        if trainer.device.type == "cuda":
            use_threads(os.cpu_count() or 1)
            cpu = torch.device("cpu")
            detectors["cpu"] = detector_of(model, diameter, cpu)
        left = max(1.0, until - time.monotonic() - 5)
        report.note(prediction=time_prediction(detectors, pictures, left / 2 / len(detectors), say))
    except Exception as error:  # the weights are at home already; say what was wrong with the rest
        traceback.print_exc()
        report.note(failed=f"{type(error).__name__}: {error}")
        raise TrainingError(
            f"figures could not be made ({error}); the checkpoint is whole."
        ) from error
