"""How good a model is on annotated images: its predictions, hits, and card figures."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..batch.batch import Failed, Segmented, Settings, segment_files
from ..errors import TrainingError
from ..formats import coco
from ..formats.dataset import DataSet
from ..formats.image_files import all_in
from ..models.detector import Detector
from ..nuclei import Nuclei
from ..prediction.predict import LOW
from ..progress import Progress
from ..resources import resource_folder
from ..scoring.compared import MOSTLY
from ..scoring.match import shares_in
from ..scoring.scoring import match, score
from .calibrate import Calibration

SAMPLE = "sample_data/truth.json"
"""The bundled sample set, by which a model can be checked anywhere."""


@dataclass(frozen=True, slots=True)
class Hits:
    """Every detection of an image, and whether it is right.

    Attributes
    ----------
    scores, right : (N,) float and bool
        Score, and whether it matched a true nucleus at IoU 0.5.
    truth : int
        Number of true nuclei.
    """

    scores: NDArray[np.float64]
    right: NDArray[np.bool_]
    truth: int


def predict_set(
    data: DataSet, folder: Path, detector: Detector, low: float = LOW
) -> Generator[Progress, None, DataSet]:
    """Segment a data set's images as a user would; the value is the predicted `DataSet`.

    Parameters
    ----------
    low : float
        Lowest score that is kept.

    Yields
    ------
    Progress
        In images; `new` is a `Segmented` as each becomes ready.

    Raises
    ------
    UserError
        If an image cannot be found or read.
    """
    files = all_in(folder, data.images)
    paths = [files[image.file_name] for image in data.images]
    found = DataSet(list(data.images), {})
    of_path = dict(zip(paths, data.images, strict=True))
    for step in segment_files(paths, detector, Settings(score=low)):
        if isinstance(step.new, Failed):
            raise TrainingError(step.new.reason)
        if isinstance(step.new, Segmented):
            found.nuclei[of_path[step.new.path].id] = step.new.nuclei
        yield Progress(step.done, step.total, "Validating", step.new)
    return found


def hits(truth: DataSet, found: DataSet, iou: float = 0.5) -> list[Hits]:
    """Match predictions to the truth, the surest first, image by image; crowds are ignored."""
    out = []
    for image in truth.images:
        true = [n.mask for n in truth.of(image).shown()]
        rows = sorted(found.of(image).shown(), key=lambda n: -n.score)
        masks = [n.mask for n in rows]
        right = np.zeros(len(rows), bool)
        right[match(true, masks, iou).predicted] = True
        areas = [c.mask for c in truth.of(image).crowds]
        counts = right | (shares_in(areas, masks) < MOSTLY)
        out.append(Hits(np.array([n.score for n in rows])[counts], right[counts], len(true)))
    return out


def calibrated(found: DataSet, calibration: Calibration) -> DataSet:
    """Return the same predictions with calibrated scores."""
    out = DataSet(found.images, {})
    for id, nuclei in found.nuclei.items():
        rows = list(nuclei)
        fair = calibration(np.array([n.score for n in rows]))
        out.nuclei[id] = Nuclei(
            nuclei.shape, (replace(n, score=float(s)) for n, s in zip(rows, fair, strict=True))
        )
    return out


def sample_figures(detector: Detector) -> Generator[Progress, None, dict[str, Any]]:
    """Score a model on the bundled sample set, at its card's threshold."""
    folder = resource_folder("sample_data")
    truth = coco.read(folder / "truth.json")
    found = yield from predict_set(truth, folder, detector)
    return score(truth, found, detector.card.threshold).to_json()
