"""Honest scores: from raw scores and hits to probabilities, and the best threshold.

No torch here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
Hits = NDArray[np.bool_]

EDGE = 1e-6
"""Scores are kept this far from 0 and 1 before their logit is taken."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A straight line on the logit: p = 1 / (1 + exp(−(slope·logit(s) + offset)))."""

    slope: float = 1.0
    offset: float = 0.0

    def __call__(self, scores: Scores) -> Scores:
        """Turn raw scores into probabilities."""
        out: Scores = _sigmoid(self.slope * _logit(scores) + self.offset)
        return out

    def to_dict(self) -> dict[str, float]:
        """Return the values of a card."""
        return {"slope": round(self.slope, 5), "offset": round(self.offset, 5)}


def fit(scores: Scores, hits: Hits) -> Calibration:
    """Fit by maximum likelihood (Platt 1999), with a weak pull towards no change.

    Parameters
    ----------
    scores, hits : (N,) float and bool
        Raw scores of detections, and whether each one matched a true nucleus.
    """
    from scipy.optimize import minimize

    if not len(scores):
        return Calibration()
    logits = _logit(scores)

    def loss(values: Scores) -> float:
        z = values[0] * logits + values[1]
        pull = 0.01 * ((values[0] - 1) ** 2 + values[1] ** 2)
        return float((np.logaddexp(0, z) - hits * z).mean() + pull / len(scores))

    best = minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead").x
    return Calibration(float(max(best[0], 0.05)), float(best[1]))


def expected_error(scores: Scores, hits: Hits, bins: int = 10) -> float:
    """Return the expected calibration error: mean |score − share of hits| over score bins."""
    if not len(scores):
        return 0.0
    where = np.minimum((scores * bins).astype(int), bins - 1)
    gaps = [
        abs(scores[where == b].mean() - hits[where == b].mean()) * (where == b).sum()
        for b in range(bins)
        if (where == b).any()
    ]
    return float(sum(gaps) / len(scores))


def best_threshold(scores: Scores, hits: Hits, truth: int) -> tuple[float, float]:
    """Return the threshold with the highest F1, rounded to 0.01, and that F1.

    Parameters
    ----------
    truth : int
        Number of true nuclei.
    """
    levels = np.round(np.arange(0.05, 0.96, 0.01), 2)
    kept = scores[None] >= levels[:, None]
    right = (kept & hits).sum(1)
    f1 = 2 * right / np.maximum(1, kept.sum(1) + truth)
    best = int(f1.argmax())
    return float(levels[best]), float(f1[best])


def _logit(scores: Scores) -> Scores:
    s = np.clip(np.asarray(scores, np.float64), EDGE, 1 - EDGE)
    out: Scores = np.log(s) - np.log1p(-s)
    return out


def _sigmoid(z: Scores) -> Scores:
    out: Scores = 0.5 * (1 + np.tanh(0.5 * z))
    return out
