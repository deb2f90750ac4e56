"""Hits and misses of a model by tile, and figures with their uncertainty.

No torch here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..masks import Mask
from ..scoring.match import overlaps
from .locked import Tile

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Numbers = NDArray[np.int64]

FIGURES = ("ap50", "f1_50", "recall50", "precision50")
ROUNDS = 1000
"""Times that tiles are drawn with replacement."""

SAME = 1e-9
"""Figures that differ by less are equal, but for rounding."""

RECALLS = np.linspace(0, 1, 101)
"""Where COCO reads the precision off."""


def matched(truth: Sequence[Mask], found: Sequence[Mask]) -> Numbers:
    """Let each detection take the best free nucleus at IoU 0.5; the surest come first, as in COCO.

    What a detection takes does not depend on less sure ones: one matching holds for all
    thresholds.

    Returns
    -------
    (N,) int64
        Of each detection: the row of its nucleus, −1 without one.
    """
    pairs = overlaps(truth, found)
    out = np.full(len(found), -1)
    taken: set[int] = set()
    order = np.lexsort((-pairs.iou, pairs.predicted))
    for i, j in zip(pairs.truth[order].tolist(), pairs.predicted[order].tolist(), strict=True):
        if out[j] < 0 and i not in taken:
            out[j] = i
            taken.add(i)
    return out


@dataclass(frozen=True, slots=True)
class Tally:
    """What a model found in some tiles.

    Attributes
    ----------
    tiles : tuple of Tile
        Those that count.
    scores, right, tile : (N,) float, bool and int64
        Of each detection, the surest first: its score, whether it is right, its tile's row.
    truth : (T,) int64
        True nuclei of each tile.
    """

    tiles: tuple[Tile, ...]
    scores: Floats
    right: Flags
    tile: Numbers
    truth: Numbers

    @classmethod
    def of(
        cls, tiles: Sequence[Tile], truth: Iterable[Tile], found: Iterable[tuple[float, bool, Tile]]
    ) -> Tally:
        """Count; nuclei and detections of other tiles are left out."""
        rows = {tile: row for row, tile in enumerate(tiles)}
        counts = np.zeros(len(tiles), np.int64)
        for tile in truth:
            if tile in rows:
                counts[rows[tile]] += 1
        kept = sorted(((s, r, rows[t]) for s, r, t in found if t in rows), key=lambda k: -k[0])
        scores, right, where = zip(*kept, strict=True) if kept else ((), (), ())
        return cls(
            tuple(tiles),
            np.array(scores, float),
            np.array(right, bool),
            np.array(where, np.int64),
            counts,
        )

    def of_tiles(self, wanted: Callable[[Tile], bool]) -> Tally:
        """Return the same of fewer tiles."""
        keep = np.array([wanted(tile) for tile in self.tiles], bool)
        rows = np.cumsum(keep) - 1
        here = keep[self.tile]
        return Tally(
            tuple(tile for tile, k in zip(self.tiles, keep, strict=True) if k),
            self.scores[here],
            self.right[here],
            rows[self.tile[here]],
            self.truth[keep],
        )

    def figures(self, threshold: float, weights: Floats | None = None) -> dict[str, float]:
        """Reckon AP50, F1, recall and precision.

        Parameters
        ----------
        threshold : float
            Score from which on a detection counts for all but AP.
        weights : (T,) float, optional
            How often each tile counts; once by default.

        Notes
        -----
        Where there is nothing to find and nothing was found, figures are 1.
        """
        w = np.ones(len(self.tiles)) if weights is None else weights
        total = float(w @ self.truth)
        each = w[self.tile]
        hits = np.cumsum(each * self.right)
        every = np.cumsum(each)
        last = int(np.searchsorted(-self.scores, -threshold, side="right")) - 1
        right, count = (float(hits[last]), float(every[last])) if last >= 0 else (0.0, 0.0)
        return {
            "ap50": _average_precision(hits, every, total),
            "f1_50": _part(2 * right, total + count),
            "recall50": _part(right, total) if total else float(not count),
            "precision50": _part(right, count) if count else float(not total),
        }


def _part(part: float, whole: float) -> float:
    return part / whole if whole else 1.0


def _average_precision(hits: Floats, every: Floats, total: float) -> float:
    if not total:
        return float(not (len(every) and every[-1]))
    if not len(every):
        return 0.0
    precision = hits / np.maximum(every, 1e-12)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(hits / total, RECALLS, side="left")
    reached = at < len(envelope)
    return float(envelope[at[reached]].sum() / len(RECALLS))


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure before and after, and how sure that is.

    Attributes
    ----------
    before, after : float
        The figure of the old and of the new model.
    before_range, after_range, gain_range : (float, float)
        Between which the figures and their difference lie in 95 of 100 draws of tiles.
    better : float
        Share of the draws in which the new model is better; equal ones count half.
    """

    before: float
    after: float
    before_range: tuple[float, float]
    after_range: tuple[float, float]
    gain_range: tuple[float, float]
    better: float

    @property
    def gain(self) -> float:
        """How much the figure rose."""
        gain = self.after - self.before
        return 0.0 if abs(gain) < SAME else gain


def compare(
    before: Tally, after: Tally, thresholds: tuple[float, float], seed: int = 0
) -> dict[str, Spread]:
    """Compare two models on the same tiles, which are drawn with replacement.

    Parameters
    ----------
    thresholds : (float, float)
        Score of the old and of the new model from which on a detection counts.
    """
    count = len(before.tiles)
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(count, np.full(count, 1 / count), ROUNDS).astype(float)
    old, new = (
        [tally.figures(threshold, w) for w in draws]
        for tally, threshold in zip((before, after), thresholds, strict=True)
    )
    first, then = before.figures(thresholds[0]), after.figures(thresholds[1])
    out = {}
    for name in FIGURES:
        a, b = (np.array([f[name] for f in every]) for every in (old, new))
        gain = np.where(np.abs(b - a) < SAME, 0, b - a)
        share = float((gain > 0).mean() + (gain == 0).mean() / 2)
        out[name] = Spread(first[name], then[name], _range(a), _range(b), _range(gain), share)
    return out


def _range(values: Floats) -> tuple[float, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
