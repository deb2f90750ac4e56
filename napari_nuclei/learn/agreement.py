"""Whether the labels that are learned from fit the image as well as those that are judged by.

Labels that were shifted, deleted or are another image's meet fewer of the detections that it is
sure of. No torch here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .tally import ROUNDS, Floats, Tally

WORSE = 0.85
"""Share of the locked tiles' precision below which that of the others is worse."""

FEWEST = 3
"""Tiles of each kind without which nothing is doubted: drawing from one or two shows no chance."""

SURE = 0.8
"""Share of the draws in which it has to be."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How many of the detections that the old model is sure of are labelled.

    Attributes
    ----------
    learned, locked : float
        Their share in the tiles that are learned from, and in the locked ones.
    doubtful : bool
        Whether the first is worse by more than chance.
    """

    learned: float
    locked: float
    doubtful: bool

    @property
    def summary(self) -> str:
        """Say in a line what is wrong with the labels."""
        return (
            "the training labels do not fit: of what the old model is sure of, "
            f"{self.locked:.0%} is labelled in the locked tiles, but only {self.learned:.0%} in "
            "the others. Look there for labels that are missing, shifted or from another image"
        )


def agreement(learned: Tally, locked: Tally, threshold: float) -> Agreement:
    """Compare the old model's precision on two sets of tiles, each drawn with replacement.

    Parameters
    ----------
    learned, locked : Tally
        What the old model found in the tiles that are learned from, and in the locked ones.
    threshold : float
        Its score from which on a detection counts.
    """
    first, second = (tally.figures(threshold)["precision50"] for tally in (learned, locked))
    if min(len(learned.tiles), len(locked.tiles)) < FEWEST:
        return Agreement(first, second, doubtful=False)
    draws = [_precisions(tally, threshold, seed) for seed, tally in enumerate((learned, locked))]
    share = float((draws[0] < WORSE * draws[1]).mean())
    return Agreement(first, second, share >= SURE)


def _precisions(tally: Tally, threshold: float, seed: int) -> Floats:
    count = len(tally.tiles)
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), ROUNDS)
    return np.array([tally.figures(threshold, w)["precision50"] for w in draws.astype(float)])
