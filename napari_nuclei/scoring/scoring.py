"""Figures: how well predicted nuclei agree with the truth."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from ..atomic_files import read_json
from ..errors import ImageMismatchError, UserError
from ..formats import coco, coco_reader, results
from ..formats.dataset import DataSet
from ..formats.image_ids import Listed
from ..formats.results import Results, score_of
from ..nuclei import ImageRecord
from ..wording import px
from .average_precision import average_precision
from .compared import THRESHOLDS, Compared, ScoredMasks
from .match import Pairs, match, overlaps
from .per_image import ImageFigures
from .per_image import quotient as _part

__all__ = ["Figures", "Pairs", "match", "overlaps", "score", "score_files"]

CAP = 100
"""pycocotools' default number of detections an image."""


@dataclass(frozen=True, slots=True)
class Figures:
    """How well predictions agree with the truth; all but the counts lie between 0 and 1.

    Attributes
    ----------
    ap50, ap75, ap : float
        COCO's average precision at IoU 0.5, 0.75, and its mean over 0.5, 0.55, … 0.95, with
        the largest allowed number of detections an image.
    ap50_max : dict of int to float
        AP at IoU 0.5 with other numbers of detections allowed an image; always has 100.
    precision50, recall50, f1_50, f1_75 : float
        Of the predictions at the score threshold and above, pooled over the images.
    pq : float
        Panoptic quality: sum of the IoU of the pairs at IoU 0.5, over TP + FP/2 + FN/2.
    jaccard50 : float
        TP / (TP + FP + FN) at IoU 0.5, pooled.
    dsb_map : float
        That quotient at IoU 0.5, 0.55, … 0.95, averaged over these and over the images.
    f1_50_mean, aji, aji_plus : float
        Means over the images: F1 at IoU 0.5; the aggregated Jaccard index as MoNuSeg ranks by
        it; the same with each prediction taken once. See `aggregated`.
    score : float
        The score threshold.
    max_detections : int
        The largest allowed number of detections an image.
    images, truth, predicted, ignored, matched50 : int
        Counts: images; true nuclei; predictions at the threshold and above that count, and that
        do not; pairs at IoU 0.5.
    images_without_predictions : int
        Images in which nothing was predicted at any score.
    by_modality : dict of str to Figures
        The same for each kind of image that the truth names.
    by_image : list of ImageFigures
        Figures of each image by itself; not in `to_json`.

    Notes
    -----
    Where there is nothing to find and nothing was found, figures are 1. A prediction without a
    true nucleus that lies mostly in an area to ignore is neither right nor wrong.
    """

    ap50: float
    ap75: float
    ap: float
    ap50_max: dict[int, float]
    precision50: float
    recall50: float
    f1_50: float
    f1_75: float
    pq: float
    jaccard50: float
    dsb_map: float
    f1_50_mean: float
    aji: float
    aji_plus: float
    score: float
    max_detections: int
    images: int
    truth: int
    predicted: int
    ignored: int
    matched50: int
    images_without_predictions: int
    by_modality: dict[str, Figures] = field(default_factory=dict)
    by_image: list[ImageFigures] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the object that ``evaluate --json`` prints."""
        out: dict[str, Any] = {}
        for key in (f.name for f in fields(self)):
            value = getattr(self, key)
            if key == "ap50_max":
                out |= {f"ap50_max{cap}": ap for cap, ap in sorted(value.items())}
            elif not key.startswith("by_"):
                out[key] = value
        if self.by_modality:
            out["by_modality"] = {name: f.to_json() for name, f in self.by_modality.items()}
        return out


def score(
    truth: DataSet,
    predictions: DataSet | Results,
    score: float = 0.5,
    max_detections: int | Sequence[int] = 2000,
) -> Figures:
    """Score predictions against the truth.

    Parameters
    ----------
    truth : DataSet
        Its nuclei that are shown; all of its images count.
    predictions : DataSet or Results
        A data set is joined by file name, a results list by image id. Images that are not
        in it have no predictions.
    score : float
        The figures without a ranking use predictions with this score and above.
    max_detections : int or sequence of int
        Best predictions of each image that AP takes into account; of several, each has its
        own AP at IoU 0.5, and the largest is the one for the rest.

    Raises
    ------
    UserError
        If predictions are for images that the truth does not have, or of another size.
    """
    caps = {max_detections} if isinstance(max_detections, int) else set(max_detections)
    if not caps or min(caps) < 1:
        raise UserError("the number of detections an image must be 1 or more")
    joined = _joined(truth, predictions)
    seen = [Compared.of(image, truth.of(image), found, score) for image, found in joined]
    overall = _figures(seen, score, caps)
    kinds = sorted({s.image.modality for s in seen if s.image.modality})
    for kind in kinds:
        overall.by_modality[kind] = _figures(
            [s for s in seen if s.image.modality == kind], score, caps
        )
    return overall


def score_files(
    truth: str | os.PathLike[str],
    predictions: str | os.PathLike[str],
    threshold: float = 0.5,
    max_detections: int | Sequence[int] = 2000,
    remarks: list[str] | None = None,
) -> Figures:
    """Score a results list or a COCO data set against a COCO data set; see `score`.

    Broken entries are left out or mended if `remarks` take a line on that.

    Raises
    ------
    UserError
        Also if a file cannot be read, or is of another kind.
    """
    known = coco.read(truth, remarks)
    value = read_json(predictions)
    found: DataSet | Results
    if isinstance(value, list):
        found = results.from_json(value, str(predictions), remarks, known.images)
    else:
        found = coco_reader.from_json(value, str(predictions), remarks)
    return score(known, found, threshold, max_detections)


# -- joining ----------------------------------------------------------------------------


def _joined(
    truth: DataSet, predictions: DataSet | Results
) -> Iterator[tuple[ImageRecord, ScoredMasks]]:
    found: Mapping[int, ScoredMasks]
    if isinstance(predictions, Results):
        found, shapes = predictions.found, predictions.shapes
        unknown = found.keys() - {image.id for image in truth.images}
        _refuse("image id", {predictions.texts.get(id, id) for id in unknown})
    else:
        found, shapes = _by_name(truth, predictions)
    for image in sorted(truth.images, key=lambda i: i.id):  # the order in which COCO breaks ties
        shape = shapes.get(image.id, image.shape)
        if shape != image.shape:
            raise ImageMismatchError(
                f"{image.file_name} is {px(image.shape)} in the "
                f"truth and {shape[0]}×{shape[1]} in the predictions: give those made for it"
            )
        yield image, found.get(image.id, [])


def _refuse(what: str, unknown: Set[Any]) -> None:
    if unknown:
        listed = ", ".join(map(str, sorted(unknown, key=str)[:3])) + ", …" * (len(unknown) > 3)
        raise UserError(
            f"the predictions are for {what} {listed}, which the truth does not have: "
            "give the truth that belongs to them"
        )


def _by_name(
    truth: DataSet, predictions: DataSet
) -> tuple[dict[int, ScoredMasks], dict[int, tuple[int, int]]]:
    """Find the true image of each predicted one by its file name."""
    true = Listed(truth.images, "the truth")
    found: dict[int, ScoredMasks] = {}
    shapes = {}
    _refuse("image", set(true.unknown(predictions.images)))
    images = {image.id: image for image in predictions.images}
    for id, record in true.find_all(images.values(), sizes=False).items():
        image = images[id]
        shapes[record.id] = image.shape
        found[record.id] = [(n.mask, score_of(n)) for n in predictions.of(image).shown()]
    return found, shapes


# -- all images -------------------------------------------------------------------------


def _figures(seen: list[Compared], score: float, caps: set[int]) -> Figures:
    truth, at75 = sum(s.truth for s in seen), THRESHOLDS.index(0.75)
    predicted, predicted75 = (sum(s.predicted[k] for s in seen) for k in (0, at75))
    tp50, tp75 = (sum(len(s.ious[k]) for s in seen) for k in (0, at75))
    quality = sum(float(s.ious[0].sum()) for s in seen)
    each = [ImageFigures.of(s) for s in seen]
    ap = average_precision([(s.truth, s.scores, s.pairs, s.shares) for s in seen], caps | {CAP})
    most = ap[max(caps)]
    return Figures(
        ap50=most[0],
        ap75=most[at75],
        ap=float(np.mean(most)),
        ap50_max={cap: ap[cap][0] for cap in (caps - {max(caps)}) | {CAP}},
        precision50=_part(tp50, predicted, truth),
        recall50=_part(tp50, truth, predicted),
        f1_50=_part(2 * tp50, truth + predicted),
        f1_75=_part(2 * tp75, truth + predicted75),
        pq=_part(2 * quality, truth + predicted),
        jaccard50=_part(tp50, truth + predicted - tp50),
        dsb_map=_mean([i.dsb_map for i in each]),
        f1_50_mean=_mean([i.f1_50 for i in each]),
        aji=_mean([i.aji for i in each]),
        aji_plus=_mean([i.aji_plus for i in each]),
        score=score,
        max_detections=max(caps),
        images=len(seen),
        truth=truth,
        predicted=predicted,
        ignored=sum(s.sure for s in seen) - predicted,
        matched50=tp50,
        images_without_predictions=sum(not len(s.scores) for s in seen),
        by_image=each,
    )


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else 1.0
