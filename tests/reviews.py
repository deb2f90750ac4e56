"""Reviewed images for the tests of retraining. No tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tiny import disc, picture

from napari_nuclei.formats import coco
from napari_nuclei.formats.dataset import DataSet
from napari_nuclei.learn.locked import digest_of
from napari_nuclei.learn.reviewed import Reviewed
from napari_nuclei.masks import Mask
from napari_nuclei.masks.box import Box
from napari_nuclei.models import Card
from napari_nuclei.nuclei import ImageRecord, Kind, Nuclei, Nucleus, Origin, State

BASE = Card(name="base", architecture={}, diameter=20, licence="CC0-1.0")
SIDE = 480


def lattice(side: int = SIDE, step: int = 40) -> list[Mask]:
    """Discs in rows and columns, none of them cut by the border."""
    middles = range(step // 2, side - step // 2 + 1, step)
    return [disc(y + 1, x + 1, 16) for y in middles for x in middles]


def noisy(masks: list[Mask], side: int = SIDE, seed: int = 0) -> NDArray[np.uint8]:
    """Their picture, no two alike."""
    rng = np.random.default_rng(seed)
    return picture((side, side), masks) // 2 + rng.integers(0, 99, (side, side), np.uint8)


def nucleus(id: int, mask: Mask, state: State = State.ACCEPTED) -> Nucleus:
    """What a model found just so."""
    return Nucleus(id, mask, 0.9, state, Origin(Kind.MODEL, "m", mask))


def write_review(
    folder: Path,
    count: int = 1,
    side: int = SIDE,
    complete: tuple[Box, ...] | None = None,
    masks: list[Mask] | None = None,
) -> Path:
    """Write images and a data set of this project; all complete, if not said otherwise."""
    masks = lattice(side) if masks is None else masks
    data = DataSet([], {})
    areas = ((0, 0, side, side),) if complete is None else complete
    for id in range(1, count + 1):
        Image.fromarray(noisy(masks, side, id)).save(folder / f"{id}.png")
        data.images.append(ImageRecord(id, f"{id}.png", side, side, "fluorescence"))
        rows = [nucleus(k, mask) for k, mask in enumerate(masks, 1)]
        data.nuclei[id] = Nuclei((side, side), rows, 0.0, areas)
    coco.write(folder / "review.json", data)
    return folder / "review.json"


def reviewed(seed: int = 0, complete: tuple[Box, ...] | None = None, side: int = SIDE) -> Reviewed:
    """An image in memory, reviewed."""
    masks = lattice(side)
    areas = ((0, 0, side, side),) if complete is None else complete
    nuclei = Nuclei(
        (side, side), (nucleus(k, m) for k, m in enumerate(masks, 1)), complete=areas
    )  # fmt: skip
    record = ImageRecord(seed + 1, f"{seed}.png", side, side)
    return Reviewed.of(record, nuclei, digest_of(noisy(masks, side, seed)), False)
