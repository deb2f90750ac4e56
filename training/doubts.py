"""Fit the weights of doubt with which every review queue begins.

Segments a part of a data set, compares with the truth, and prints the weights for
`napari_nuclei/triage/default_weights.py`.

    python training/doubts.py TRUTH.json IMAGES [--images 150] [--model nuclei]
"""

from __future__ import annotations

import argparse
import pprint
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_nuclei import models
from napari_nuclei.formats import coco
from napari_nuclei.formats.image_files import image_in
from napari_nuclei.images.images import read_image
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import Nuclei
from napari_nuclei.nuclei.edits import propose
from napari_nuclei.prediction.predict import Prediction, segment
from napari_nuclei.prompts.feature_cache import Identity
from napari_nuclei.prompts.prompter import Prompter
from napari_nuclei.scoring.match import match
from napari_nuclei.triage.doubts import NAMES, Evidence
from napari_nuclei.triage.evidence import evidence_steps
from napari_nuclei.triage.review_queue import ReviewQueue
from napari_nuclei.triage.weights import Weights, learn

RIGHT = {0.5: 2.0, 0.75: 1.0}
"""IoU with the truth from which on a nucleus needs no correction, and how much each counts:
what is wrong altogether comes before what is not quite right."""

TRUST = 10.0
"""How strongly the weights are held to 0, in examples."""


Examples = tuple[NDArray[np.float32], NDArray[np.bool_]]
"""(N, signs) of the entries of an image, and (N, len(RIGHT)), whether they need correction."""


def main() -> None:
    """Fit and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("truth", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--images", dest="count", type=int, default=150)
    parser.add_argument("--model", default="nuclei")
    args = parser.parse_args()
    data, detector = coco.read(args.truth), models.load(args.model, "cpu")
    rng = np.random.default_rng(0)
    parts: list[Examples] = []
    for k in rng.permutation(len(data.images))[: args.count].tolist():
        image = data.images[k]
        pixels = read_image(image_in(args.images, image.file_name))
        truth = [n.mask for n in data.nuclei[image.id]]
        crowds = [c.mask for c in data.nuclei[image.id].crowds]
        found = segment(pixels, detector)
        prompter = Prompter(pixels, detector, found.diameter, identity=Identity())
        parts.append(examples(found, truth, prompter, crowds))
        print(f"{image.file_name}: {len(parts[-1][1])} entries", flush=True)
    pprint.pp(fit(parts).to_dict(), width=60)


def examples(
    found: Prediction, truth: list[Mask], prompter: Prompter, crowds: Sequence[Mask] = ()
) -> Examples:
    """Return the signs of every entry of an image's queue, and whether it needs correction.

    Of what lies in an area to ignore nobody knows that, so it is left out.
    """
    card = prompter.detector.card
    nuclei = Nuclei(prompter.shape, threshold=card.threshold)
    propose(nuclei, found.found, card.name, card.threshold).apply_to(nuclei)
    queue = ReviewQueue(nuclei).build()
    known: dict[int, Evidence] = {}
    for step in evidence_steps(prompter, list(nuclei)):
        known |= step.new or {}
    queue.add_evidence(known)
    needed = [needing(nuclei, truth, iou) for iou in RIGHT]
    unknown = ignored(nuclei, truth, crowds)
    ids = [id for id in queue.order().tolist() if id not in unknown]
    rows = [[i in some for some in needed] for i in ids]
    return queue.signs_of(ids), np.array(rows, bool).reshape(-1, len(RIGHT))


def ignored(nuclei: Nuclei, truth: list[Mask], crowds: Sequence[Mask]) -> set[int]:
    """Return the ids of what lies in areas to ignore, at least by half, and is no true nucleus."""
    rows = [n for n in nuclei if any(2 * n.mask.overlap(c) >= n.mask.area > 0 for c in crowds)]
    pairs = match(truth, [n.mask for n in rows], min(RIGHT))
    return {n.id for n in rows} - {rows[j].id for j in pairs.predicted.tolist()}


def needing(nuclei: Nuclei, truth: list[Mask], iou: float) -> set[int]:
    """Return the ids of shown nuclei that are wrong, and of candidates for missed ones."""
    rows = list(nuclei.shown())
    pairs = match(truth, [n.mask for n in rows], iou)
    right = {rows[j].id for j in pairs.predicted.tolist()}
    lost = [truth[i] for i in set(range(len(truth))) - set(pairs.truth.tolist())]
    missed = {
        n.id
        for n in nuclei
        if not nuclei.is_shown(n)
        and any(2 * n.mask.overlap(t) >= min(n.mask.area, t.area) for t in lost)
    }
    return {n.id for n in rows} - right | missed


def fit(parts: list[Examples]) -> Weights:
    """Fit one regression; every image counts alike, up to what its number of nuclei allows."""
    table = np.concatenate([signs for signs, _ in parts])
    needed = np.concatenate([wrong for _, wrong in parts])
    counts = np.concatenate([np.full(len(w), min(1.0, 60 / max(1, len(w)))) for _, w in parts])
    none = Weights(0.0, (0.0,) * len(NAMES))
    weights = learn(
        np.tile(table, (len(RIGHT), 1)),
        needed.T.ravel(),
        none,
        TRUST,
        np.concatenate([counts * share for share in RIGHT.values()]),
    )
    rounded = tuple(round(v, 2) for v in weights.values)
    mean = tuple(round(float(v), 3) for v in np.median(table, 0))
    return Weights(round(weights.bias, 2), rounded, mean)


if __name__ == "__main__":
    main()
