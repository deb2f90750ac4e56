"""One training run from recipe to packed model."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..atomic_files import replacing
from ..batch.writable import make_folder
from ..errors import RecipeError
from ..models.card import Card
from ..models.maskrcnn import Architecture, MaskRCNN
from ..models.maskrcnn_detector import MaskRCNNDetector
from ..models.runtime import name_of, pick_device
from ..models.weights import load_network, pretrained_trunk, save_model
from ..progress import Progress
from ..scoring.scoring import score
from ..wording import counted
from .calibrate import best_threshold, expected_error, fit
from .curve import draw_curve
from .examples import Example, load_examples
from .loop import State, new_state, train_steps
from .parallel import World, world
from .parts import Part, parts_of
from .recipe import Recipe, Schedule
from .sizes import teach_sizes
from .validate import SAMPLE, calibrated, hits, predict_set, sample_figures


def train(
    recipe: Recipe,
    folder: Path | None = None,
    device: str = "auto",
    resume: bool = False,
    strict: bool = False,
) -> Generator[Progress, None, Card | None]:
    """Train by a recipe, validate, pack the best weights with a card.

    Under `torchrun` the processes share each batch.

    Parameters
    ----------
    recipe : Recipe
        What to do.
    folder : Path, optional
        What the recipe's data paths are relative to; the current folder by default.
    device : str
        As for `models.load`.
    resume : bool
        Go on from the last checkpoint in `recipe.out`.
    strict : bool
        Whether a broken entry of the data is an error; otherwise it is left out or mended.

    Yields
    ------
    Progress
        `new` is a line for a person now and then.

    Returns
    -------
    Card or None
        Of the packed model, as the generator's value; None in all processes but the first.
    """
    with world(pick_device(device)) as processes:
        return (yield from _train(recipe, folder or Path(), processes, resume, strict))


def _train(
    recipe: Recipe, folder: Path, processes: World, resume: bool, strict: bool
) -> Generator[Progress, None, Card | None]:
    chosen = processes.device
    yield Progress(0, 0, "Reading the data")
    if not recipe.data.train:
        raise RecipeError("the recipe names no training data: add [[data.train]] to it.")
    told: list[str] | None = None if strict else []
    learned, checks = parts_of(recipe, folder, told)
    examples = [e for p in learned for e in load_examples(p.data, p.images, recipe.diameter)]
    for remark in dict.fromkeys(told or ()):
        yield Progress(0, 0, new=remark)
    state = _state(recipe, resume, processes)
    yield Progress(0, 0, new=f"{counted(len(examples), 'image')}, from step {state.step}")
    if not processes.first:  # it steps along; the first one validates, writes and packs
        yield from train_steps(state, examples, recipe, chosen, Path(os.devnull), processes)
        return None
    yield from _steps(state, examples, checks, recipe, processes)
    best = recipe.out / "best.ckpt"
    if best.is_file():
        state.load(best)
    if state.ema.size_head is not None:
        state.ema.size_head.requires_grad_(True)
        yield from teach_sizes(state.ema, examples, chosen, recipe.schedule.size_steps)
    card = yield from pack(state.ema, recipe, checks, chosen, _spent(state, chosen))
    yield Progress(1, 1, new=f"{card.name} → {card.weights}")
    return card


def begun(recipe: Recipe) -> tuple[Architecture, dict[str, Tensor] | None]:
    """Return a recipe's network, and the weights that it starts from."""
    network = recipe.network
    arch = Architecture(**network.model_dump(exclude={"start", "pretrained"}))
    if network.start:
        model, _ = load_network(network.start)
        return replace(model.arch, size_head=arch.size_head), model.state_dict()
    return arch, pretrained_trunk(arch) if network.pretrained else None


def _state(recipe: Recipe, resume: bool, processes: World) -> State:
    make_folder(recipe.out)
    arch, start = begun(recipe)
    state = new_state(arch, recipe.schedule, start, processes.device)
    last = recipe.out / "last.ckpt"
    if resume:
        if not last.is_file():
            raise RecipeError(f"{last}: nothing to resume. Omit --resume to start over.")
        _load(state, last)
    elif processes.first and (last.is_file() or (recipe.out / "best.ckpt").is_file()):
        raise RecipeError(
            f"{recipe.out} holds an earlier run: continue with --resume, or name another --out."
        )
    for log in ("losses.csv", "validation.csv") if processes.first else ():
        forget_after(recipe.out / log, state.step)
    return state


def _load(state: State, path: Path) -> None:
    try:
        state.load(path)
    except Exception as error:  # torch raises whatever a broken file brings up
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise RecipeError(
            f"{path}: damaged, or of another network than the recipe's ({reason})."
        ) from None


def forget_after(log: Path, step: int) -> None:
    """Drop what a stopped run has logged after the checkpoint that it goes on from."""
    if not log.is_file():
        return
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    head, *rows = [line for line in lines if line.endswith("\n")] or [""]
    kept = [row for row in rows if int(row.partition(",")[0]) <= step]
    with replacing(log) as file:
        file.write("".join([head, *kept]).encode())


def _steps(
    state: State,
    examples: list[Example],
    checks: list[Part],
    recipe: Recipe,
    processes: World,
) -> Iterator[Progress]:
    schedule, device = recipe.schedule, processes.device
    log = recipe.out / "losses.csv"
    saved = time.monotonic()
    checked = state.seconds
    for step in train_steps(state, examples, recipe, device, log, processes):
        yield step
        if time.monotonic() - saved > schedule.save_minutes * 60:
            state.save(recipe.out / "last.ckpt")
            saved = time.monotonic()
        if checks and _due(schedule, state, checked):
            yield from _validate(state, checks, recipe, device)
            checked = state.seconds
    if checks:
        yield from _validate(state, checks, recipe, device)
    state.save(recipe.out / "last.ckpt")
    draw_curve(*(recipe.out / n for n in ("losses.csv", "validation.csv", "curve.png")))


def _due(schedule: Schedule, state: State, checked: float) -> bool:
    """Whether it is time to validate; `checked` is when that was done last, in seconds."""
    if schedule.validate_steps is not None:
        return state.step % schedule.validate_steps == 0
    return state.seconds - checked > schedule.validate_minutes * 60


def _validate(
    state: State, checks: list[Part], recipe: Recipe, device: torch.device
) -> Iterator[Progress]:
    """Judge the averaged weights, note it, keep them if they are the best so far."""
    detector = MaskRCNNDetector(state.ema, _draft(recipe), device)
    every = []
    for part in checks:
        found = yield from predict_set(part.data, part.images, detector)
        every += hits(part.data, found)
    scores, right = (np.concatenate([getattr(h, k) for h in every]) for k in ("scores", "right"))
    threshold, f1 = best_threshold(scores, right, sum(h.truth for h in every))
    log = recipe.out / "validation.csv"
    if not log.is_file():
        log.write_text("step,seconds,f1_50,threshold\n", encoding="utf-8")
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{state.step},{state.seconds:.0f},{f1:.5f},{threshold}\n")
    if f1 > state.best:
        state.best = f1
        state.save(recipe.out / "best.ckpt")
    yield Progress(0, 0, new=f"step {state.step}: F1 {f1:.3f} at score {threshold:.2f}")


def _draft(recipe: Recipe, **more: Any) -> Card:
    about = recipe.card.model_dump()
    return Card(name=recipe.name, architecture={}, diameter=recipe.diameter, **{**about, **more})


def _spent(state: State, device: torch.device) -> dict[str, Any]:
    hours = round(state.seconds / 3600, 2)
    return {"steps": state.step, "hours": hours, "machine": name_of(device)}


def pack(
    model: MaskRCNN,
    recipe: Recipe,
    checks: list[Part],
    device: torch.device,
    training: dict[str, Any],
) -> Generator[Progress, None, Card]:
    """Calibrate the scores on the validation data, score the model, write it with its card.

    Returns
    -------
    Card
        As the generator's value.
    """
    card = _draft(
        recipe,
        base=recipe.network.start or "",
        created=datetime.now(UTC).date().isoformat(),
        training=training,
    )
    if checks:
        every, figures = [], {}
        for part in checks:
            detector = MaskRCNNDetector(model, card, device)
            found = yield from predict_set(part.data, part.images, detector)
            every.append((part, found, hits(part.data, found)))
        flat = [h for *_, right in every for h in right]
        scores, right = (np.concatenate([getattr(h, k) for h in flat]) for k in ("scores", "right"))
        calibration = fit(scores, right)
        fair = calibration(scores)
        threshold, _ = best_threshold(fair, right, sum(h.truth for h in flat))
        for part, found, _ in every:
            figures[part.name] = score(
                part.data, calibrated(found, calibration), threshold
            ).to_json()
        card = card.model_copy(
            update={
                "calibration": calibration.to_dict(),
                "threshold": threshold,
                "scores": figures,
                "training": {
                    **training,
                    "calibration_error": round(expected_error(fair, right), 4),
                },
            }
        )
    sample = yield from sample_figures(MaskRCNNDetector(model, card, device))
    card = card.model_copy(update={"scores": {**card.scores, SAMPLE: sample}})
    return save_model(model, card, recipe.out)
