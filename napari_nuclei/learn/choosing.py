"""How much of what is new goes into the model, and from which score on it shows nuclei.

Here: choosing the two by tiles that do not judge. Not here: mixing (`learn/fine_tune.py`),
judging (`learn/gate.py`). No torch here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .tally import Tally

LEVELS = np.round(np.arange(0.1, 0.91, 0.02), 2)
"""Thresholds that are tried."""

NEAR_ENOUGH = 0.0025
"""Value that is given away for a threshold nearer to the old one: less than that is noise."""

SPARED = 0.015
"""F1 or AP50 that may be lost on a kind of sample image; the gate lets a little more pass."""

COUNTED = ("f1_50", "ap50")

Kinds = Mapping[str, Tally]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A mixture.

    Attributes
    ----------
    factor : float
        Share of the new weights, 0…1.
    threshold : float
        Score from which on a detection is shown.
    value : float
        Mean of F1 and AP50 on the tiles that are chosen by, less what was lost on the sample set.
        F1 alone is noisy on few tiles.
    """

    factor: float
    threshold: float
    value: float


def factors(budget: float, pass_seconds: float) -> tuple[float, ...]:
    """Return the shares that are tried: as many as the time allows.

    Parameters
    ----------
    budget, pass_seconds : float
        Time for everything, and what looking at all images takes.
    """
    many = 0.3 * budget / max(pass_seconds, 1e-3)
    if many >= 4:
        return 0.25, 0.5, 0.75, 1.0
    return (0.4, 0.7, 1.0) if many >= 3 else (0.6, 1.0)


def choose(
    seen: Mapping[float, tuple[Tally, Kinds]], old_sample: Kinds, threshold: float
) -> Candidate:
    """Choose the best mixture.

    Parameters
    ----------
    seen : mapping of float to (Tally, mapping of str to Tally)
        Of each factor: the tiles that are chosen by, and the sample set by kind of image.
    old_sample : mapping of str to Tally
        The sample set as the old model sees it.
    threshold : float
        Of the old model.

    Notes
    -----
    A mixture that has lost more than `SPARED` of what the old model knew is only taken where
    all have; then what is lost counts in full. So the sample set is not blind to the choice; but
    a model that has lost much cannot hide it.
    """
    known = {kind: tally.figures(threshold) for kind, tally in old_sample.items()}
    rows, sparing = [], []
    for factor, (tally, sample) in seen.items():
        for level in (float(value) for value in (*LEVELS, threshold)):
            now = {kind: of.figures(level) for kind, of in sample.items()}
            lost = max(known[kind][name] - now[kind][name] for kind in known for name in COUNTED)
            gained = sum(tally.figures(level)[name] for name in COUNTED) / len(COUNTED)
            rows.append(Candidate(factor, level, gained - max(0.0, lost - SPARED)))
            if lost <= SPARED:
                sparing.append(rows[-1])
    rows = sparing or rows
    # The mixture first: those with little that is new are best near the old threshold, so a
    # threshold that may stay would always speak for them.
    best = max(rows, key=lambda row: (row.value, -row.factor))
    good = [r for r in rows if r.factor == best.factor and r.value >= best.value - NEAR_ENOUGH]
    return min(good, key=lambda row: abs(row.threshold - threshold))


def best_f1(tally: Tally) -> float:
    """Return the highest F1 over all thresholds."""
    return max(tally.figures(float(level))["f1_50"] for level in LEVELS)
