"""AP as COCO reckons it, from pairs that are matched already."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .match import Pairs

Floats = NDArray[np.float64]
Ranked = tuple[int, Floats, Pairs, Floats]
"""Of one image: number of true nuclei; scores of all predictions, falling; pairs with them; share
of each prediction that lies in an area to ignore."""


def average_precision(images: Sequence[Ranked], caps: Collection[int]) -> dict[int, list[float]]:
    """Let pycocotools reckon AP.

    Parameters
    ----------
    images : sequence of Ranked
        The pairs have every IoU of 0.5 and above.
    caps : collection of int
        Numbers of best predictions an image that are taken into account.

    Returns
    -------
    dict of int to list of float
        For each cap, AP at IoU 0.5, 0.55, … 0.95. Without a true nucleus it is 1 if nothing
        was predicted either, and 0 otherwise.
    """
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        run = COCOeval(iouType="segm")
        p = run.params
        if not any(image[0] for image in images):
            return {cap: _without_truth(images, p.iouThrs, cap) for cap in caps}
        p.imgIds, p.catIds, p.maxDets = list(range(len(images))), [1], sorted(caps)
        p.areaRng, p.areaRngLbl = [[0, 1e10]], ["all"]
        # Its own matching compares all with all in Python; ours gives the same.
        run.evalImgs = [_evaluated(image, p.iouThrs, max(caps)) for image in images]
        run._paramsEval = p
        run.accumulate()
    precision = run.eval["precision"][:, :, 0, 0, :]  # (threshold, recall, cap)
    return {cap: precision[:, :, k].mean(1).tolist() for k, cap in enumerate(p.maxDets)}


def _evaluated(image: Ranked, thresholds: Floats, cap: int) -> dict[str, Any] | None:
    truth, scores, pairs, shares = image
    hits = _greedy(pairs, thresholds, min(len(scores), cap))
    if not truth and not hits.shape[1]:
        return None
    return {
        "dtScores": scores[:cap].tolist(),
        "dtMatches": hits,
        "dtIgnore": ~hits & _is_ignored(shares[: hits.shape[1]], thresholds),
        "gtIgnore": np.zeros(truth),
    }


def _is_ignored(shares: Floats, thresholds: Floats) -> NDArray[np.bool_]:
    """Whether COCO ignores a prediction that is no hit, (T, N): the share counts as the IoU."""
    bounded: NDArray[np.bool_] = shares >= np.minimum(thresholds, 1 - 1e-10)[:, None]
    return bounded


def _without_truth(images: Sequence[Ranked], thresholds: Floats, cap: int) -> list[float]:
    alarms = [~_is_ignored(shares[:cap], thresholds) for *_, shares in images]
    return [float(not any(each[k].any() for each in alarms)) for k in range(len(thresholds))]


def _greedy(pairs: Pairs, thresholds: Floats, count: int) -> NDArray[np.bool_]:
    """Find true positives as COCO does: by falling score, each takes the best free nucleus.

    Returns
    -------
    (T, count) bool
    """
    hits = np.zeros((len(thresholds), count), bool)
    pairs = pairs[pairs.predicted < count]
    # By prediction, then falling IoU; of equal ones COCO takes the last.
    order = np.lexsort((-pairs.truth, -pairs.iou, pairs.predicted))
    predicted, truth = pairs.predicted[order].tolist(), pairs.truth[order].tolist()
    iou = pairs.iou[order].tolist()
    for k, threshold in enumerate(thresholds.tolist()):
        taken: set[int] = set()
        for i, j, overlap in zip(predicted, truth, iou, strict=True):
            if overlap >= threshold and j not in taken and not hits[k, i]:
                taken.add(j)
                hits[k, i] = True
    return hits
