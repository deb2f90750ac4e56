"""`Weights`: how much each sign of doubt counts, learned from a reviewer's corrections.

No torch, no Qt.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..atomic_files import replacing
from ..errors import UserError
from ..nuclei import Kind, Nuclei, Nucleus, State
from .doubts import NAMES

LIKE = 0.75
"""IoU of a corrected outline with the predicted one from which on nothing was wrong with it."""

TRUST = 20.0
"""How many corrections it takes to outweigh the weights from which learning starts."""

Table = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Weights:
    """A logistic regression on the signs.

    Attributes
    ----------
    bias : float
        Logit of a nucleus without any sign.
    values : tuple of float
        One for each of `doubts.NAMES`.
    mean : tuple of float
        The signs of the usual nucleus, against which reasons are told.
    learned : int
        From how many corrections of the reviewer they were learned.
    """

    bias: float
    values: tuple[float, ...]
    mean: tuple[float, ...] = (0.0,) * len(NAMES)
    learned: int = 0

    def chances(self, table: Table) -> NDArray[np.float64]:
        """Return how likely each row of (N, signs) is to need correction, 0…1."""
        logits = table @ np.array(self.values) + self.bias
        chances: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
        return chances

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, by the names of the signs."""
        signs = dict(zip(NAMES, self.values, strict=True))
        means = dict(zip(NAMES, self.mean, strict=True))
        return {"bias": self.bias, "signs": signs, "mean": means, "learned": self.learned}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Weights:
        """Read plain values; a sign that is not named counts nothing."""
        rows = [
            tuple(float(values.get(key, {}).get(name, 0)) for name in NAMES)
            for key in ("signs", "mean")
        ]
        weights = cls(float(values["bias"]), rows[0], rows[1], int(values.get("learned", 0)))
        if not np.isfinite([weights.bias, *weights.values, *weights.mean]).all():
            raise ValueError("weights must be finite")
        return weights


def learn(
    table: Table,
    needed: NDArray[np.bool_],
    start: Weights,
    trust: float = TRUST,
    counts: NDArray[np.float64] | None = None,
) -> Weights:
    """Learn weights from examples, staying near the ones to start from.

    Parameters
    ----------
    table : (N, signs) float32
        Signs of nuclei as they were predicted.
    needed : (N,) bool
        Whether each needed correction.
    start : Weights
        Where learning starts, and what it falls back to with few examples.
    trust : float
        How strongly it is held to that, in examples.
    counts : (N,) float64, optional
        How much each example counts; 1 by default.
    """
    from scipy.optimize import minimize

    if not len(needed):
        return start
    inputs = np.column_stack([np.ones(len(table)), table]).astype(float)
    first = np.array([start.bias, *start.values])
    sign = np.where(needed, 1.0, -1.0)
    weight = np.ones(len(needed)) if counts is None else counts

    def loss(w: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margin = sign * (inputs @ w)
        wrong = 1 / (1 + np.exp(np.clip(margin, -30, 30)))
        cost = float((weight * np.logaddexp(0, -margin)).sum())
        away = w - first
        slope = -(inputs * (weight * sign * wrong)[:, None]).sum(0) + trust * away / 10
        return cost + trust * float(away @ away) / 20, slope

    # No sign speaks against doubt: so each of them can be the reason that is told.
    bounds = [(None, None)] + [(0, None)] * len(NAMES)
    best = minimize(loss, first, jac=True, method="L-BFGS-B", bounds=bounds).x
    return Weights(float(best[0]), tuple(map(float, best[1:])), start.mean, len(needed))


def verdict(nuclei: Nuclei, nucleus: Nucleus) -> bool | None:
    """Tell whether a reviewer's treatment shows that a model's proposal needed correction.

    Returns
    -------
    bool or None
        None where nothing can be told: untouched, or not a model's.
    """
    said = nucleus.origin.mask
    if nucleus.origin.kind is not Kind.MODEL or said is None or not nucleus.touched:
        return None
    hidden = nucleus.score < nuclei.threshold
    if nucleus.state is State.REJECTED:
        return None if hidden else True
    if nucleus.state is not State.ACCEPTED:
        return None
    return hidden or bool(nucleus.origin.parents) or nucleus.mask.iou(said) < LIKE


def read(path: Path, default: Weights) -> Weights:
    """Read a reviewer's weights; the default ones if there are none.

    Raises
    ------
    UserError
        If the file is damaged.
    """
    try:
        return Weights.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return default
    except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
        raise UserError(
            f"{path}: damaged ({error}). Press “Forget what was learned about doubt”."
        ) from None


def write(path: Path, weights: Weights) -> None:
    """Write a reviewer's weights."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write((json.dumps(weights.to_dict(), indent=1) + "\n").encode())


def examples(
    nuclei: Nuclei, signs_of: Mapping[int, NDArray[np.float32]], rows: Iterable[Nucleus]
) -> tuple[Table, NDArray[np.bool_]]:
    """Collect what a reviewer has decided, of nuclei whose signs before that are known."""
    found = [(signs_of[n.id], v) for n in rows if n.id in signs_of
             if (v := verdict(nuclei, n)) is not None]  # fmt: skip
    table = np.array([signs for signs, _ in found], np.float32).reshape(-1, len(NAMES))
    return table, np.array([needed for _, needed in found], bool)
