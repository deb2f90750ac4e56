"""Matching: which predicted mask is which true one.

Here: pairs of masks by their overlap. Not here: the figures made of them (`scoring.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import codec
from ..mask import Mask, enclosing, touches


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


def overlaps(truth: Sequence[Mask], predicted: Sequence[Mask], least: float = 0.5) -> Pairs:
    """Find all pairs with an IoU of `least` (above 0) or more.

    Only pairs whose boxes and areas allow for that are looked at, so the cost grows with the
    number of masks, not with its square.
    """
    found: list[tuple[int, int, float]] = []
    for i, j in _candidates(truth, predicted, least):
        iou = truth[i].iou(predicted[j])
        if iou >= least:
            found.append((i, j, iou))
    table = np.array(found, float).reshape(-1, 3)
    return Pairs(table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2])


def _candidates(
    truth: Sequence[Mask], predicted: Sequence[Mask], least: float
) -> Iterator[tuple[int, int]]:
    a, b = _boxes(truth), _boxes(predicted)
    if not len(a) or not len(b):
        return
    order = np.argsort(a[:, 0], kind="stable")
    a = a[order]
    tallest = int((a[:, 2] - a[:, 0]).max())
    for j in range(len(b)):
        # Only true masks that begin within reach above the predicted one's lower end.
        low, high = np.searchsorted(a[:, 0], [b[j, 0] - tallest, b[j, 2]])
        near = a[low:high]
        both = np.minimum(near[:, 2:4], b[j, 2:4]) - np.maximum(near[:, :2], b[j, :2])
        both = np.maximum(both, 0)
        most = np.minimum(both[:, 0] * both[:, 1], np.minimum(near[:, 4], b[j, 4]))
        for k in np.flatnonzero((most > 0) & (most >= least * np.maximum(near[:, 4], b[j, 4]))):
            yield int(order[low + k]), j


def _boxes(masks: Sequence[Mask]) -> NDArray[np.int64]:
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
    from scipy.optimize import linear_sum_assignment
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(pairs):
        return pairs
    _, rows = np.unique(pairs.truth, return_inverse=True)
    _, cols = np.unique(pairs.predicted, return_inverse=True)
    size = int(rows.max()) + int(cols.max()) + 2
    graph = coo_array((np.ones(len(pairs)), (rows, cols + rows.max() + 1)), (size, size))
    group = connected_components(graph, directed=False)[1][rows]
    chosen = np.bincount(group)[group] == 1
    for g in np.unique(group[~chosen]):
        at = np.flatnonzero(group == g)
        ids_a, a = np.unique(rows[at], return_inverse=True)
        ids_b, b = np.unique(cols[at], return_inverse=True)
        gain = np.zeros((len(ids_a), len(ids_b)))
        # One pair more is worth more than any sum of IoU.
        gain[a, b] = pairs.iou[at] + len(at)
        which = np.full(gain.shape, -1)
        which[a, b] = at
        taken = which[linear_sum_assignment(gain, maximize=True)]
        chosen[taken[taken >= 0]] = True
    return pairs[chosen]


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
