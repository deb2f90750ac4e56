"""Grouped cross-validation: a recipe once a fold, and what came of all folds together.

Each image is judged by the network that has not seen its experiment. Calibration and threshold
are fitted to all of these answers at once, for a model that learns from every fold.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic_files import replacing
from ..batch.writable import make_folder
from ..errors import RecipeError
from ..models import load
from ..models.card import read_card
from ..progress import Progress
from ..scoring.scoring import score
from .calibrate import best_threshold, expected_error, fit
from .parts import Part, parts_of
from .recipe import Recipe
from .run import train
from .validate import calibrated, hits, predict_set

RESULT = "crossvalidation.json"
FIGURES = ("f1_50", "f1_75", "ap50", "ap", "jaccard50", "dsb_map", "pq")


@dataclass(frozen=True, slots=True)
class Fold:
    """What one fold's network says of the part that it has not seen."""

    number: int
    parts: list[Part]
    found: list[Any]


def crossvalidate(
    recipe: Recipe, folder: Path, device: str = "auto"
) -> Generator[Progress, None, dict[str, Any]]:
    """Train once a fold, judge each on the fold that it has not seen.

    What a stopped call has finished is not done again, and a run in between goes on from its
    last checkpoint.

    Parameters
    ----------
    recipe : Recipe
        With `data.folds`; each fold's run goes into a folder of its own under `recipe.out`.
    folder : Path
        What the recipe's data paths are relative to.

    Returns
    -------
    dict
        As the generator's value, and as JSON in `recipe.out`: ``calibration``, ``threshold``,
        ``mean`` and ``spread`` (standard deviation over the folds) of the figures, ``folds``.

    Raises
    ------
    UserError
        If the recipe names no folds.
    """
    count = recipe.data.folds
    if count is None or count < 2:
        raise RecipeError(
            "cross-validation needs folds: set data.folds to 2 or more in the recipe."
        )
    make_folder(recipe.out)
    folds = []
    for number in range(count):
        one = _of_fold(recipe, number)
        card = one.out / f"{one.name}.json"
        if not card.is_file():
            resume = (one.out / "last.ckpt").is_file()
            yield Progress(number, count, new=f"Fold {number} of {count}")
            yield from train(one, folder, device, resume)
        folds.append((yield from _judge(one, number, card, folder, device)))
    result = _result(recipe, folds)
    with replacing(recipe.out / RESULT) as file:
        file.write((json.dumps(result, indent=2) + "\n").encode())
    yield Progress(count, count, new=table(result))
    return result


def _of_fold(recipe: Recipe, number: int) -> Recipe:
    data = recipe.data.model_copy(update={"hold_out": number})
    return recipe.model_copy(update={"data": data, "out": recipe.out / f"fold-{number}"})


def _judge(
    recipe: Recipe, number: int, card: Path, folder: Path, device: str
) -> Generator[Progress, None, Fold]:
    detector = load(str(read_card(card).weights), device)
    detector.card = detector.card.model_copy(update={"calibration": {}})
    _, held_out = parts_of(recipe, folder)
    found = []
    for part in held_out:
        found.append((yield from predict_set(part.data, part.images, detector)))
    return Fold(number, held_out, found)


def _result(recipe: Recipe, folds: Sequence[Fold]) -> dict[str, Any]:
    every = [h for fold in folds for p, f in _pairs(fold) for h in hits(p.data, f)]
    scores = np.concatenate([h.scores for h in every])
    right = np.concatenate([h.right for h in every])
    calibration = fit(scores, right)
    fair = calibration(scores)
    threshold, f1 = best_threshold(fair, right, sum(h.truth for h in every))
    rows: list[dict[str, Any]] = []
    for fold in folds:
        for part, found in _pairs(fold):
            figures = score(part.data, calibrated(found, calibration), threshold).to_json()
            rows.append({"fold": fold.number, "part": part.name, "figures": figures})
    values = {name: [row["figures"][name] for row in rows] for name in FIGURES}
    return {
        "name": recipe.name,
        "folds": rows,
        "mean": {name: round(float(np.mean(v)), 4) for name, v in values.items()},
        "spread": {name: round(float(np.std(v)), 4) for name, v in values.items()},
        "f1_50_pooled": round(f1, 4),
        "threshold": threshold,
        "calibration": calibration.to_dict(),
        "calibration_error": round(expected_error(fair, right), 4),
    }


def _pairs(fold: Fold) -> Iterator[tuple[Part, Any]]:
    return zip(fold.parts, fold.found, strict=True)


def table(result: dict[str, Any]) -> str:
    """Return the figures as a Markdown table, a row a fold."""
    lines = ["| part | " + " | ".join(FIGURES) + " |", "|---" * (len(FIGURES) + 1) + "|"]
    for row in result["folds"]:
        cells = " | ".join(f"{row['figures'][name]:.3f}" for name in FIGURES)
        lines.append(f"| {row['part']} | {cells} |")
    cells = " | ".join(f"{result['mean'][n]:.3f} ± {result['spread'][n]:.3f}" for n in FIGURES)
    return "\n".join([*lines, f"| mean ± spread | {cells} |"])
