"""Figures of each image by itself, and their table."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from ..atomic_files import replacing
from .compared import THRESHOLDS, Compared


@dataclass(frozen=True, slots=True)
class ImageFigures:
    """How well the predictions of one image agree with its truth; see `Figures`."""

    image_id: int
    file_name: str
    modality: str
    truth: int
    predicted: int
    ignored: int
    matched50: int
    precision50: float
    recall50: float
    f1_50: float
    f1_75: float
    pq: float
    jaccard50: float
    dsb_map: float
    aji: float
    aji_plus: float

    @classmethod
    def of(cls, seen: Compared) -> ImageFigures:
        """Reckon the figures of one image."""
        at75 = THRESHOLDS.index(0.75)
        truth, predicted, predicted75 = seen.truth, seen.predicted[0], seen.predicted[at75]
        jaccards = seen.jaccards()
        tp50 = len(seen.ious[0])
        return cls(
            image_id=seen.image.id,
            file_name=seen.image.file_name,
            modality=seen.image.modality,
            truth=truth,
            predicted=predicted,
            ignored=seen.sure - predicted,
            matched50=tp50,
            precision50=quotient(tp50, predicted, truth),
            recall50=quotient(tp50, truth, predicted),
            f1_50=quotient(2 * tp50, truth + predicted),
            f1_75=quotient(2 * len(seen.ious[at75]), truth + predicted75),
            pq=quotient(2 * float(seen.ious[0].sum()), truth + predicted),
            jaccard50=jaccards[0],
            dsb_map=sum(jaccards) / len(jaccards),
            aji=seen.jaccard.aji,
            aji_plus=seen.jaccard.aji_plus,
        )


def quotient(part: float, whole: int, other: int = 0) -> float:
    """Return a quotient; of nothing, it is 1 if there is nothing on the other side either."""
    return part / whole if whole else float(other == 0)


def write_csv(path: str | os.PathLike[str], rows: Sequence[ImageFigures]) -> None:
    """Write a row an image, whole or not at all; see `replacing` for the errors."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [f.name for f in fields(ImageFigures)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(asdict, rows))
    with replacing(path) as file:
        file.write(text.getvalue().encode())
