"""How long a reviewer waits for prompts, medians over 200.

* ``box``, ``click``, ``alternative``: on features that are cached, for a click those of the closer
  look too, as they are once the mouse has rested over a zoomed view;
* ``first box``, ``first click``: on a tile that is not;
* ``nudge``: the soft mask and the edit;
* ``kind``: fix similar nuclei among 20,000 nuclei whose features are known;
* ``next``: the next place in a queue of 20,000, an edit followed in between.

    python tests/benchmarks/prompt_latency.py [--rounds 200] [--model nuclei]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import time
from collections.abc import Callable

import numpy as np
from review_data import machine

from napari_nuclei import models
from napari_nuclei.errors import EditError
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import Nuclei, edits
from napari_nuclei.progress import result_of
from napari_nuclei.prompts.edits import nudge
from napari_nuclei.prompts.feature_cache import FeatureCache, Identity
from napari_nuclei.prompts.pointing import looking_closer, usual_diameter
from napari_nuclei.prompts.prompter import Prompter
from napari_nuclei.prompts.prompts import alternatives_of, at_point, in_box
from napari_nuclei.prompts.similar import Features, find_similar, fix
from napari_nuclei.synthetic.scenes import make_sample
from napari_nuclei.triage.review_queue import ReviewQueue

GOALS = {"box": 60, "click": 60, "reading": 60, "first box": 400, "first click": 400, "nudge": 30,
         "kind": 300, "next": 50}  # fmt: skip
SIDE = 1000
MANY = 20_000


def main() -> None:
    """Time them and print medians beside the goals."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--model", default="nuclei")
    args = parser.parse_args()
    detector = models.load(args.model, "cpu")
    load = os.getloadavg()[0]
    print(f"{machine(detector)}, load {load:.1f}, medians over {args.rounds}")
    pixels, masks = make_sample("histology", 1, SIDE)
    ways = {**prompts(pixels, masks, detector), **many()}
    for name, way in ways.items():
        times = [timed(way, k) for k in range(-3, args.rounds)][3:]
        slow = sorted(times)[int(0.95 * len(times))]
        median = statistics.median(times)
        print(f"{name:12}{median:8.1f} ms   95 %: {slow:7.1f} ms   goal {GOALS[name]} ms")


def timed(way: Callable[[int], object], k: int) -> float:
    start = time.perf_counter()
    with contextlib.suppress(EditError):  # an answer too
        way(k)
    return 1e3 * (time.perf_counter() - start)


def prompts(
    pixels: np.ndarray, masks: list[Mask], detector: models.Detector
) -> dict[str, Callable[[int], object]]:
    """The prompts on a field of SIDE² px."""
    areas = [m.area for m in masks]
    diameter = 2 * float(np.sqrt(np.median(areas) / np.pi))
    nuclei = Nuclei((SIDE, SIDE))
    edits.propose(nuclei, [(m, 0.9) for m in masks], "net", 0.5).apply_to(nuclei)
    warm = Prompter(pixels, detector, diameter, FeatureCache(4 * 2**30), identity=Identity())
    result_of(warm.prepare())
    for y, x in (m.centroid for m in masks):
        here = (int(y), int(x), int(y) + 1, int(x) + 1)
        result_of(looking_closer(warm, here, usual_diameter(nuclei)))
    cold = Prompter(pixels, detector, diameter, FeatureCache(0), identity=Identity())
    ids = [n.id for n in nuclei]

    def place(k: int) -> tuple[float, float]:
        y, x = masks[k % len(masks)].centroid
        return y + 0.5, x + 0.5

    def nudged(k: int) -> object:
        id = ids[k % len(ids)]
        (soft,) = warm.soft_masks([nuclei[id].mask.box])
        return nudge(nuclei, id, bool(k % 2), soft)

    def boxed(prompter: Prompter, k: int) -> object:
        return in_box(prompter, masks[k % len(masks)].box)

    return {
        "box": lambda k: boxed(warm, k),
        "click": lambda k: at_point(warm, *place(k), nuclei),
        "reading": lambda k: alternatives_of(warm, nuclei, ids[k % len(ids)]),
        "first box": lambda k: boxed(cold, k),
        "first click": lambda k: at_point(cold, *place(k), nuclei),
        "nudge": nudged,
    }


def many() -> dict[str, Callable[[int], object]]:
    """What works on 20,000 nuclei at once."""
    rng = np.random.default_rng(0)
    grid = np.hypot(*np.mgrid[-9:10, -9:10]) <= 9
    side = int(np.ceil(np.sqrt(MANY)))
    masks = [Mask.from_array(grid, 24 * (k // side), 24 * (k % side)) for k in range(MANY)]
    scores = rng.uniform(0.3, 1, MANY)
    nuclei = Nuclei((24 * side, 24 * side))
    found = [(m, float(s)) for m, s in zip(masks, scores, strict=True)]
    edits.propose(nuclei, found, "net", 0.5).apply_to(nuclei)
    features = Features()
    features.add(list(nuclei), rng.normal(size=(MANY, 384)).astype(np.float32))
    queue = ReviewQueue(nuclei).build()

    def kind(k: int) -> object:
        ids = list(range(1 + 5 * abs(k), 6 + 5 * abs(k)))
        return fix(nuclei, find_similar(nuclei, features, ids, "delete"), 500)

    def go_on(k: int) -> object:
        entry = queue.next()
        if entry is not None:
            edit = edits.accept(nuclei, [entry.id])
            edit.apply_to(nuclei)
            queue.follow(edit)
        return entry

    return {"kind": kind, "next": go_on}


if __name__ == "__main__":
    main()
