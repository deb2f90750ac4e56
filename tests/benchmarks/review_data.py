"""What the benchmarks of reviewing share: data, predictions, and what there is to correct.

Here: truth and prediction of each image, and the corrections that it needs, by kind. Run the
benchmarks beside it.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_nuclei import models
from napari_nuclei.formats import coco
from napari_nuclei.images.images import read_image
from napari_nuclei.masks import Mask
from napari_nuclei.masks.box import touches
from napari_nuclei.nuclei import Nuclei
from napari_nuclei.nuclei.edits import propose
from napari_nuclei.prediction.predict import Prediction, segment
from napari_nuclei.prompts.feature_cache import Identity
from napari_nuclei.prompts.prompter import Prompter
from napari_nuclei.scoring.match import match

KINDS = ("missed", "false", "merged", "split", "boundary")
SETS = ("dsb2018/val.json", "vrdl/val.json")


@dataclass(frozen=True)
class Case:
    """One image: its pixels, its truth, and what the model found."""

    name: str
    pixels: NDArray[np.generic]
    truth: list[Mask]
    found: Prediction
    model: str
    threshold: float

    @property
    def shape(self) -> tuple[int, int]:
        return self.pixels.shape[0], self.pixels.shape[1]

    def nuclei(self) -> Nuclei:
        """The review as it begins."""
        out = Nuclei(self.shape)
        propose(out, self.found.found, self.model, self.threshold).apply_to(out)
        return out

    def prompter(self, detector: models.Detector) -> Prompter:
        return Prompter(self.pixels, detector, self.found.diameter, identity=Identity())


@dataclass(frozen=True)
class Need:
    """A correction that is needed.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    truth, ids : tuple of int
        The true nuclei (places in the truth) and the shown ones that it is about.
    """

    kind: str
    truth: tuple[int, ...]
    ids: tuple[int, ...]


def arguments(doc: str | None) -> argparse.ArgumentParser:
    """The arguments that all of them take."""
    parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder that holds " + ", ".join(SETS))
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    parser.add_argument("--model", default="nuclei")
    parser.add_argument("--images", type=int, help="take the first so many of each set only")
    return parser


def cases(path: Path, detector: models.Detector, most: int | None = None) -> Iterator[Case]:
    """Segment the images of a COCO file, one after the other."""
    data, card = coco.read(path), detector.card
    for image in data.images[:most]:
        places = [path.parent / folder / image.file_name for folder in ("", "images", path.stem)]
        pixels = read_image(next(place for place in places if place.exists()))
        truth = [n.mask for n in data.nuclei[image.id]]
        found = segment(pixels, detector)
        yield Case(image.file_name, pixels, truth, found, card.name, card.threshold)


def needs(truth: Sequence[Mask], nuclei: Nuclei, iou: float = 0.75) -> list[Need]:
    """List the corrections until every true nucleus is matched and no false one is left.

    Unmatched true and shown nuclei that share half of the smaller one belong together: several
    true ones are merged, several shown ones are split, one of each is a wrong boundary.
    """
    rows = list(nuclei.shown())
    pairs = match(truth, [n.mask for n in rows], iou)
    lost = sorted(set(range(len(truth))) - set(pairs.truth.tolist()))
    wrong = [rows[j] for j in sorted(set(range(len(rows))) - set(pairs.predicted.tolist()))]
    edges = [
        (a, len(lost) + b)
        for a, i in enumerate(lost)
        for b, n in enumerate(wrong)
        if touches(truth[i].box, n.mask.box)
        and 2 * truth[i].overlap(n.mask) >= min(truth[i].area, n.mask.area)
    ]
    total = len(lost) + len(wrong)
    ends = np.array(edges, int).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), (total, total))
    group = connected_components(graph, directed=False)[1] if total else np.zeros(0, int)
    out = []
    for g in range(int(group.max(initial=-1)) + 1):
        at = np.flatnonzero(group == g).tolist()
        ts = tuple(lost[k] for k in at if k < len(lost))
        ids = tuple(wrong[k - len(lost)].id for k in at if k >= len(lost))
        out.append(Need(_kind(len(ts), len(ids)), ts, ids))
    return out


def _kind(true: int, shown: int) -> str:
    if not shown:
        return "missed"
    if not true:
        return "false"
    return "merged" if true > shown else "split" if shown > true else "boundary"


def machine(detector: models.Detector) -> str:
    """Say where this was measured."""
    from napari_nuclei.models.runtime import name_of

    card = detector.card
    where = f"{platform.machine()}, {name_of(detector.device)}"  # type: ignore[attr-defined]
    return f"model {card.name} ({card.sha256[:8]}), {where}"
