"""All figures of one model on one data set.

No torch here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..formats.dataset import DataSet
from ..formats.results import Results
from ..masks import Mask
from ..nuclei import Crowd, ImageRecord
from ..scoring.compared import MOSTLY
from ..scoring.match import Pairs, best_of, overlaps, shares_in
from ..scoring.scoring import CAP, Figures, score
from .calibrate import expected_error, fit

ALL = "all"
"""The name of the group that all images belong to."""

DETECTIONS = 2000
"""Detections of an image that the uncapped figures look at."""

NEAR = 1.25
"""An estimated diameter counts as right if it is off by at most this factor."""

SHARED = (
    "images truth predicted ap50 ap75 ap precision50 recall50 f1_50 f1_50_mean f1_75 jaccard50 "
    "dsb_map pq aji aji_plus"
).split()

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said of a data set's images.

    Attributes
    ----------
    found : Results
        Masks in px of the images as the data set has them.
    seconds : dict of int to float
        Time that each image took.
    diameters : dict of int to float
        The typical nucleus as it was estimated, in px of the image that was segmented.
    zoom : float
        Px of the image that was segmented per px of the data set's image.
    """

    found: Results
    seconds: dict[int, float] = field(default_factory=dict)
    diameters: dict[int, float] = field(default_factory=dict)
    zoom: float = 1.0


@dataclass(frozen=True, slots=True)
class JudgedImage:
    """One image: which detections are right, and which nuclei were found.

    Attributes
    ----------
    scores, right : (N,) float and bool
        Of every detection, the surest first: its score, and whether it has a true nucleus
        at IoU 0.5.
    top : (int, int)
        How many of the 100 surest are right, and how many there are; none are counted in an
        image with fewer than 100 true nuclei, where some have to be wrong.
    sizes, found : (T,) float and bool
        Of every true nucleus: its diameter in px, and whether a detection at the threshold
        or above has it.
    shown : (S,) bool
        Of every detection at the threshold or above: whether it is right among these.
    seconds, diameter : float
        Time, and the estimated diameter over the true median; NaN if not known.
    """

    image: ImageRecord
    scores: Floats
    right: Flags
    top: tuple[int, int]
    sizes: Floats
    found: Flags
    shown: Flags
    seconds: float
    diameter: float

    @property
    def f1(self) -> float:
        """F1 at IoU 0.5 and the threshold; 1 where there is nothing and nothing was found."""
        both = len(self.sizes) + len(self.shown)
        return float(2 * self.found.sum() / both) if both else 1.0


@dataclass(frozen=True, slots=True)
class Judgement:
    """One model on one data set.

    Attributes
    ----------
    figures : dict
        Group (`ALL`, then every modality) → figure → value, None where it has no meaning.
    seen : list of Seen
        Every image.
    """

    figures: dict[str, dict[str, float | None]]
    seen: list[JudgedImage]


def judge(truth: DataSet, answer: Answer, threshold: float, most: Mapping[str, float]) -> Judgement:
    """Reckon all figures.

    Parameters
    ----------
    threshold : float
        Detections with this score and above count in the figures without a ranking.
    most : mapping of str to float
        What `ceilings` returns for this truth.
    """
    seen = [
        look(image, _masks(truth, image), answer, threshold, truth.of(image).crowds)
        for image in truth.images
    ]
    overall = score(truth, answer.found, threshold, [CAP, DETECTIONS])
    figures = {ALL: _row(overall, most[ALL], seen)}
    for kind, part in overall.by_modality.items():
        mine = [s for s in seen if s.image.modality == kind]
        figures[kind] = _row(part, most[kind], mine)
    return Judgement(figures, seen)


def ceilings(truth: DataSet) -> dict[str, float]:
    """Return each group's AP50 with 100 detections an image if all masks are perfect."""
    perfect = Results(
        {i.id: [(mask, 1.0) for mask in _masks(truth, i)] for i in truth.images},
        {i.id: i.shape for i in truth.images},
    )
    best = score(truth, perfect, 0.5, [CAP, DETECTIONS])
    kinds = {kind: part.ap50_max[CAP] for kind, part in best.by_modality.items()}
    return {ALL: best.ap50_max[CAP], **kinds}


def look(
    image: ImageRecord,
    truth: list[Mask],
    answer: Answer,
    threshold: float,
    crowds: Sequence[Crowd] = (),
) -> JudgedImage:
    """Match one image's detections to its true nuclei; those in crowds are ignored."""
    ranked = sorted(answer.found.found.get(image.id, []), key=lambda f: -f[1])
    scores = np.array([s for _, s in ranked], float)
    masks = [mask for mask, _ in ranked]
    pairs = overlaps(truth, masks, 0.5)
    outside = shares_in([c.mask for c in crowds], masks) < MOSTLY
    right, found = np.zeros(len(ranked), bool), np.zeros(len(truth), bool)
    right[best_of(pairs).predicted] = True
    shown = np.zeros((scores >= threshold).sum(), bool)
    sure = best_of(pairs[pairs.predicted < len(shown)])
    shown[sure.predicted] = found[sure.truth] = True
    sizes = np.array([2 * np.sqrt(mask.area / np.pi) for mask in truth])
    estimate = answer.diameters.get(image.id, np.nan) / answer.zoom
    return JudgedImage(
        image,
        scores[right | outside],
        right[right | outside],
        _top(pairs, len(truth), len(ranked)),
        sizes,
        found,
        shown[shown | outside[: len(shown)]],
        answer.seconds.get(image.id, np.nan),
        float(estimate / np.median(sizes)) if len(sizes) else np.nan,
    )


def _top(pairs: Pairs, truth: int, predicted: int) -> tuple[int, int]:
    if truth < CAP:
        return 0, 0
    return len(best_of(pairs[pairs.predicted < CAP])), min(CAP, predicted)


def _masks(data: DataSet, image: ImageRecord) -> list[Mask]:
    return [n.mask for n in data.of(image).shown()]


def _row(figures: Figures, most: float, seen: Sequence[JudgedImage]) -> dict[str, float | None]:
    right, count = (sum(s.top[k] for s in seen) for k in (0, 1))
    ratios = np.array([s.diameter for s in seen if np.isfinite(s.diameter)])
    seconds = np.array([s.seconds for s in seen if np.isfinite(s.seconds)])
    first, second = cross_fitted(seen)
    near = (ratios < NEAR) & (ratios > 1 / NEAR)
    return {
        **{name: getattr(figures, name) for name in SHARED},
        "ap50_max100": figures.ap50_max[CAP],
        "ap50_max100_ceiling": most,
        "precision_top100": right / count if count else None,
        "calibration_error": expected_error(*_pooled(seen)),
        "calibration_error_first_half": first,
        "calibration_error_second_half": second,
        "diameter_ratio": float(np.median(ratios)) if len(ratios) else None,
        "diameter_near": float(near.mean()) if len(ratios) else None,
        "seconds": float(seconds.mean()) if len(seconds) else None,
    }


def _pooled(seen: Sequence[JudgedImage]) -> tuple[Floats, Flags]:
    return (
        np.concatenate([np.zeros(0), *(s.scores for s in seen)]),
        np.concatenate([np.zeros(0, bool), *(s.right for s in seen)]),
    )


def cross_fitted(seen: Sequence[JudgedImage]) -> tuple[float | None, float | None]:
    """Fit a calibration on one half of the images, and judge it on the other, both ways.

    Scores as shipped are a line on the logit already, so that to fit another one to them
    is to fit the raw scores anew.

    Returns
    -------
    float or None, float or None
        Expected calibration error on the first half, fitted on the second, and the other
        way round; None with fewer than two images. Each modality is split evenly.
    """
    if len(seen) < 2:
        return None, None
    ordered = sorted(seen, key=lambda s: (s.image.modality, s.image.id))
    halves = _pooled(ordered[::2]), _pooled(ordered[1::2])
    first, second = (
        expected_error(fit(*mine)(other[0]), other[1]) for mine, other in (halves[::-1], halves)
    )
    return first, second


def precision_recall(seen: Sequence[JudgedImage]) -> tuple[Floats, Floats]:
    """Return recall and precision at IoU 0.5 over falling score, all images pooled."""
    scores, right = _pooled(seen)
    hits = right[np.argsort(-scores, kind="stable")].cumsum()
    total = sum(len(s.sizes) for s in seen)
    return hits / max(1, total), hits / np.arange(1, len(hits) + 1)


def reliability(
    seen: Sequence[JudgedImage], bins: int = 10
) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Return mean score, share of right ones, and count of the detections in score bins."""
    scores, right = _pooled(seen)
    where = np.minimum((scores * bins).astype(int), bins - 1)
    count = np.bincount(where, minlength=bins)
    full = count > 0
    sums = (np.bincount(where, v, bins)[full] / count[full] for v in (scores, right))
    mean, share = sums
    return mean, share, count[full]


def missed_by_size(seen: Sequence[JudgedImage], edges: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Return the share of missed nuclei, and how many there are, between diameters.

    Parameters
    ----------
    edges : (K + 1,) float
        Diameters in px that part the classes. Where there is no nucleus the share is NaN.
    """
    sizes = np.concatenate([np.zeros(0), *(s.sizes for s in seen)])
    missed = ~np.concatenate([np.zeros(0, bool), *(s.found for s in seen)])
    count = np.histogram(sizes, edges)[0]
    part = np.histogram(sizes[missed], edges)[0]
    return np.where(count > 0, part / np.maximum(count, 1), np.nan), count


def worst(seen: Sequence[JudgedImage], count: int) -> list[JudgedImage]:
    """Return the images with the lowest F1, the lowest first."""
    return sorted(seen, key=lambda s: (s.f1, s.image.id))[:count]
