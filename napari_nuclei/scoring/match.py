"""Matching: which predicted mask is which true one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..masks import Mask, codec
from ..masks.box import touches
from ..masks.mask import enclosing
from .assignment import heaviest
from .intersections import in_common

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of a true and a predicted mask that overlap.

    Attributes
    ----------
    truth, predicted : (N,) int64
        Indices into the two sequences of masks.
    iou : (N,) float64
        Intersection over union of each pair.
    """

    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    iou: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.iou)

    def __getitem__(self, chosen: Any) -> Pairs:
        return Pairs(self.truth[chosen], self.predicted[chosen], self.iou[chosen])


def overlaps(
    truth: Sequence[Mask], predicted: Sequence[Mask], least: float | Floats = 0.5
) -> Pairs:
    """Find all pairs with an IoU of `least` or more; with 0, all that overlap.

    Only pairs whose boxes and areas allow for that are looked at, so the cost grows with the
    number of masks, not with its square.

    Parameters
    ----------
    truth, predicted : sequence of Mask
        Of the same image.
    least : float or (P,) float
        One for all, or one for each predicted mask.
    """
    a, b = _boxes(truth), _boxes(predicted)
    floors = np.broadcast_to(np.asarray(least, float), len(b))
    first, second = _candidates(a, b, floors)
    common = in_common(truth, predicted, first, second)
    iou = common / np.maximum(1, a[first, 4] + b[second, 4] - common)
    found = (common > 0) & (iou >= floors[second])
    return Pairs(first[found], second[found], iou[found])


def _candidates(a: Ints, b: Ints, least: Floats) -> tuple[Ints, Ints]:
    none = np.zeros(0, np.int64)
    if not len(a) or not len(b):
        return none, none
    order = np.argsort(a[:, 0], kind="stable")
    a = a[order]
    tallest = int((a[:, 2] - a[:, 0]).max())
    # Only true masks that begin within reach above the predicted one's lower end.
    lows = np.searchsorted(a[:, 0], b[:, 0] - tallest).tolist()
    highs = np.searchsorted(a[:, 0], b[:, 2]).tolist()
    found = []
    for j, (low, high) in enumerate(zip(lows, highs, strict=True)):
        near = a[low:high]
        both = np.minimum(near[:, 2:4], b[j, 2:4]) - np.maximum(near[:, :2], b[j, :2])
        both = np.maximum(both, 0)
        most = np.minimum(both[:, 0] * both[:, 1], np.minimum(near[:, 4], b[j, 4]))
        fits = (most > 0) & (most >= least[j] * np.maximum(near[:, 4], b[j, 4]))
        found.append(order[low + np.flatnonzero(fits)])
    return np.concatenate(found), np.repeat(np.arange(len(b)), [len(f) for f in found])


def _boxes(masks: Sequence[Mask]) -> Ints:
    return np.array([(*m.box, m.area) for m in masks], np.int64).reshape(-1, 5)


def shares_in(areas: Sequence[Mask], masks: Sequence[Mask]) -> NDArray[np.float64]:
    """Return the largest share of each mask that lies in one of some areas, (N,)."""
    out = np.zeros(len(masks))
    for area in areas:
        near = [k for k, mask in enumerate(masks) if mask and touches(mask.box, area.box)]
        some = [masks[k] for k in near]
        shape = enclosing(m.box for m in (area, *some))[2:]
        begins, stops, _ = codec.runs_of([area], shape)
        starts, ends, owner = codec.runs_of(some, shape)
        first, last = (_count_before(begins, stops, edges) for edges in (starts, ends))
        common = np.bincount(owner, last - first, len(some))
        out[near] = np.maximum(out[near], common / [m.area for m in some])
    return out


def _count_before(
    begins: NDArray[np.int64], stops: NDArray[np.int64], at: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return how many pixels of some runs come before each of some pixels."""
    run = np.searchsorted(begins, at, side="right")
    upto = np.concatenate([[0], np.cumsum(stops - begins)])
    return upto[run] - np.where(run > 0, np.maximum(stops[run - 1] - at, 0), 0)


def best_of(pairs: Pairs) -> Pairs:
    """Choose pairs one-to-one: as many as possible, then with the largest sum of IoU.

    The choice does not depend on order or score. Where neither the true nor the predicted
    masks overlap each other, an IoU above 0.5 leaves no choice.
    """
    # One pair more is worth more than any sum of IoU.
    return pairs[heaviest(pairs.truth, pairs.predicted, pairs.iou + len(pairs))]


def match(truth: Sequence[Mask], predicted: Sequence[Mask], iou: float = 0.5) -> Pairs:
    """Match true and predicted masks one-to-one.

    Parameters
    ----------
    truth, predicted : sequence of Mask
        Of the same image.
    iou : float
        Least intersection over union of a pair, above 0.

    Returns
    -------
    Pairs
        As `best_of` chooses them.
    """
    return best_of(overlaps(truth, predicted, iou))
