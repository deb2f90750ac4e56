"""How much of what is new goes into the model, and from which score on it shows nuclei.

No torch here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from .tally import Tally

LEVELS = np.round(np.arange(0.1, 0.91, 0.02), 2)
"""Thresholds that are tried."""

NEAR_ENOUGH = 0.0025
"""Value that is given away for a threshold nearer to the old one: less than that is noise."""

SPARED = 0.025
"""F1 or AP50 that may be lost on a kind of sample image; the gate lets a little more pass."""

COUNTED = ("f1_50", "ap50")

FIRST, STEP = 0.5, 0.25
"""Share of the new weights that is looked at first, and what is added while nothing is lost."""

Kinds = Mapping[str, Tally]
Tallies = Mapping[float, tuple[Tally, Kinds]]


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


def looks(budget: float, pass_seconds: float) -> int:
    """Return how many mixtures can be looked at.

    Parameters
    ----------
    budget, pass_seconds : float
        Time for everything, and what looking at all images takes.
    """
    return min(max(round(0.3 * budget / max(pass_seconds, 1e-3)), 2), 4)


def next_factor(seen: Tallies, old_sample: Kinds, threshold: float) -> float | None:
    """Return the share of the new weights to look at next; None if no other is worth it.

    More while nothing is lost that the old model knew; else between the largest share that loses
    nothing and the smallest that does. For the parameters see `choose`.
    """
    lost = _losses(seen, old_sample, threshold)
    keeps = max((factor for factor, loss in lost.items() if loss <= SPARED), default=0.0)
    loses = min((factor for factor, loss in lost.items() if loss > SPARED), default=None)
    if not seen:
        return FIRST
    if loses is None:
        return keeps + STEP if keeps + STEP <= 1 else None
    return (keeps + loses) / 2 if keeps < loses else None


def choose(seen: Tallies, old_sample: Kinds, threshold: float) -> Candidate:
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
    rows = list(_candidates(seen, old_sample, threshold))
    chosen = [row for row, loss in rows if loss <= SPARED] or [row for row, _ in rows]
    # The mixture first: those with little that is new are best near the old threshold, so a
    # threshold that may stay would always speak for them.
    best = max(chosen, key=lambda row: (row.value, -row.factor))
    good = [r for r in chosen if r.factor == best.factor and r.value >= best.value - NEAR_ENOUGH]
    return min(good, key=lambda row: abs(row.threshold - threshold))


def _candidates(
    seen: Tallies, old_sample: Kinds, threshold: float
) -> Iterator[tuple[Candidate, float]]:
    """Yield each factor with each threshold, and what is lost then."""
    known = {kind: tally.figures(threshold) for kind, tally in old_sample.items()}
    for factor, (tally, sample) in seen.items():
        for level in (float(value) for value in (*LEVELS, threshold)):
            now = {kind: of.figures(level) for kind, of in sample.items()}
            loss = max(known[kind][name] - now[kind][name] for kind in known for name in COUNTED)
            figures = tally.figures(level)
            gained = sum(figures[name] for name in COUNTED) / len(COUNTED)
            yield Candidate(factor, level, gained - max(0.0, loss - SPARED)), loss


def _losses(seen: Tallies, old_sample: Kinds, threshold: float) -> dict[float, float]:
    """Return what each factor loses at the threshold that loses least."""
    least: dict[float, float] = {}
    for row, loss in _candidates(seen, old_sample, threshold):
        least[row.factor] = min(loss, least.get(row.factor, loss))
    return least


def best_f1(tally: Tally) -> float:
    """Return the highest F1 over all thresholds."""
    return max(tally.figures(float(level))["f1_50"] for level in LEVELS)
