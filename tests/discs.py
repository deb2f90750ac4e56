"""Two images of bright discs, and a stand-in for a network that finds them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_nuclei.formats import coco
from napari_nuclei.formats.dataset import DataSet
from napari_nuclei.learn.answers import Model, Source
from napari_nuclei.learn.experiments import Run, experiments
from napari_nuclei.masks import Mask
from napari_nuclei.models.card import Card
from napari_nuclei.models.detector import Detections
from napari_nuclei.nuclei import ImageRecord, Nuclei, Nucleus
from napari_nuclei.progress import result_of

RADIUS = 13
CARD = Card(
    name="discs",
    architecture={"trunk": "none"},
    diameter=2 * RADIUS,
    sha256="0" * 64,
    licence="free",
    training={"hours": 1.5, "steps": 10, "machine": "abacus"},
)


class Discs:
    """Finds what is bright."""

    card = CARD
    stride, margin = 1, 0

    def __init__(self) -> None:
        self.looked = 0

    def detect(
        self,
        tile: NDArray[np.float32],
        core: tuple[int, int, int, int] | None = None,
        low: float = 0.05,
    ) -> Detections:
        from scipy import ndimage

        self.looked += 1
        labels, _ = ndimage.label(tile.mean(-1) > 0.5)
        places = ndimage.find_objects(labels)
        masks = np.zeros((len(places), 28, 28), np.uint8)
        boxes = np.zeros((len(places), 4), np.float32)
        for k, (rows, cols) in enumerate(places):
            boxes[k] = cols.start, rows.start, cols.stop, rows.stop
            crop = (labels[rows, cols] == k + 1).astype(np.uint8) * 255
            masks[k] = np.asarray(Image.fromarray(crop).resize((28, 28), Image.Resampling.BOX))
        return Detections(boxes, np.full(len(places), 0.9, np.float32), masks)


def disc(y: int, x: int, radius: float = RADIUS) -> Mask:
    n = int(radius)
    grid = np.hypot(*np.mgrid[-n : n + 1, -n : n + 1]) <= radius
    return Mask.from_array(grid, y - n, x - n)


CENTRES = [(y, x) for y in (25, 75, 125) for x in (25, 75, 125)]


def make_source(root: Path) -> Source:
    """Two images of nine discs each, one of them RGB, of two kinds."""
    folder = root / "images"
    folder.mkdir()
    data = DataSet([], {})
    for id, kind in ((1, "gray"), (2, "colour")):
        masks = [disc(y, x) for y, x in CENTRES]
        pixels = np.full((150, 150), 10, np.uint8)
        for mask in masks:
            mask.paint(pixels, 200)
        shown = pixels if kind == "gray" else np.stack([pixels, pixels // 2 + 90, pixels], -1)
        Image.fromarray(shown).save(folder / f"{kind}.png")
        data.images.append(ImageRecord(id, f"{kind}.png", 150, 150, kind))
        data.nuclei[id] = Nuclei((150, 150), (Nucleus(k, m) for k, m in enumerate(masks, 1)))
    coco.write(root / "truth.json", data)
    return Source("two | discs", root / "truth.json", folder)


def run_all(source: Source, out: Path, changes: list[str], **more: Any) -> tuple[list[Run], Discs]:
    detector = Discs()
    one = Model(CARD, lambda: detector)
    return result_of(experiments([one], [source], changes, out, **more)), detector
