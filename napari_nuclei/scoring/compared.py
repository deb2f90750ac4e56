"""One image's predictions beside its truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..masks import Mask
from ..nuclei import ImageRecord, Nuclei
from .aggregated import Aggregated, aggregated
from .match import Pairs, best_of, overlaps, shares_in

THRESHOLDS = tuple(k / 100 for k in range(50, 100, 5))
"""IoU thresholds of the 2018 Data Science Bowl, and of COCO's mean AP."""

MOSTLY = 0.5
"""Share of a prediction in an area to ignore from which on it does not count."""

ScoredMasks = Sequence[tuple[Mask, float]]


@dataclass(slots=True)
class Compared:
    """What all figures need of one image."""

    image: ImageRecord
    truth: int
    scores: NDArray[np.float64]  # of all predictions, falling
    pairs: Pairs  # with them
    shares: NDArray[np.float64]  # of the predictions, in areas to ignore
    sure: int  # predictions at the score threshold and above
    predicted: list[int]  # those of them that count, at each of THRESHOLDS
    ious: list[NDArray[np.float64]]  # of the pairs with these, likewise
    jaccard: Aggregated  # of the sure ones

    @classmethod
    def of(cls, image: ImageRecord, nuclei: Nuclei, found: ScoredMasks, score: float) -> Compared:
        """Compare the predictions of an image with what is shown of its nuclei."""
        truth = [n.mask for n in nuclei.shown()]
        ranked = sorted(found, key=lambda f: -f[1])
        scores = np.array([s for _, s in ranked], float)
        masks = [mask for mask, _ in ranked]
        sure = int((scores >= score).sum())
        # AJI looks at all pairs of the sure ones, the rest at those from 0.5 on.
        least = np.where(np.arange(len(masks)) < sure, 0, THRESHOLDS[0])
        every = overlaps(truth, masks, least)
        pairs = every[every.iou >= THRESHOLDS[0]]
        shares = shares_in([c.mask for c in nuclei.crowds], masks)
        best = [best_of(pairs[(pairs.predicted < sure) & (pairs.iou >= t)]) for t in THRESHOLDS]
        inside = shares[:sure] >= MOSTLY
        counts = [sure - int(inside.sum() - inside[b.predicted].sum()) for b in best]
        jaccard = aggregated(truth, masks[:sure], every[every.predicted < sure], inside)
        ious = [b.iou for b in best]
        return cls(image, len(truth), scores, pairs, shares, sure, counts, ious, jaccard)

    def jaccards(self) -> list[float]:
        """Return the quotient at each of THRESHOLDS."""
        either = [self.truth + n - len(i) for n, i in zip(self.predicted, self.ious, strict=True)]
        return [len(i) / n if n else 1.0 for n, i in zip(either, self.ious, strict=True)]
