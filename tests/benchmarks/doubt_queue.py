"""How many of the needed corrections the first part of the queue finds.

A correction is found where the queue leads to one of its nuclei or candidates (`itself`), or
where the view that is shown there, four times as wide as the nucleus, holds its middle (`in
view`). Against the order of scores and a random one. `best`: the most that any order of the
same entries could find of the first kind.

    python tests/benchmarks/doubt_queue.py DATA [--first 0.2] [--iou 0.75]
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from review_data import Case, Need, arguments, cases, machine, needs

from napari_nuclei import models
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import Nuclei
from napari_nuclei.triage.doubts import Evidence
from napari_nuclei.triage.evidence import evidence_steps
from napari_nuclei.triage.review_queue import ReviewQueue

ORDERS = ("queue", "scores", "random")


def main() -> None:
    """Go through the queues, and print a table."""
    parser = arguments(__doc__)
    parser.add_argument("--first", type=float, default=0.2, help="share of the queue")
    parser.add_argument("--iou", type=float, nargs="+", default=[0.5, 0.75])
    args = parser.parse_args()
    detector = models.load(args.model, "cpu")
    print(machine(detector))
    for name in args.sets:
        rows = {iou: [] for iou in args.iou}
        for case in cases(args.data / name, detector, args.images):
            queue = full_queue(case, detector)
            for iou in args.iou:
                rows[iou].append(found(case, queue, args.first, iou))
        for iou, table in rows.items():
            total = np.sum(table, 0)
            print(f"\n{name}, IoU {iou}: {int(total[0])} corrections, first {args.first:.0%}")
            print(f"{'':10}{'itself':>10}{'in view':>10}")
            for k, order in enumerate(ORDERS):
                itself, view = total[2 * k + 2 : 2 * k + 4] / total[0]
                print(f"{order:10}{itself:10.1%}{view:10.1%}")
            print(f"{'best':10}{total[1] / total[0]:10.1%}")


def full_queue(case: Case, detector: models.Detector) -> ReviewQueue:
    """The queue as it is once the model has been asked for its doubts."""
    nuclei = case.nuclei()
    queue = ReviewQueue(nuclei).build()
    known: dict[int, Evidence] = {}
    for step in evidence_steps(case.prompter(detector), list(nuclei)):
        known |= step.new or {}
    queue.add_evidence(known)
    return queue


def found(case: Case, queue: ReviewQueue, first: float, iou: float) -> NDArray[np.float64]:
    """Number of corrections, the most that could be found, and what each order finds."""
    nuclei = queue.nuclei
    wanted = needs(case.truth, nuclei, iou)
    ids = queue.order().tolist()
    count = math.ceil(first * len(ids))
    by_score = sorted(ids, key=lambda i: (_sureness(nuclei, i), i))
    shuffled = np.random.default_rng(0).permutation(ids).tolist()
    itself = [own_entries(need, case.truth, nuclei, ids) for need in wanted]
    reachable = sum(1 for own in itself if own)
    out = [len(wanted), min(count, reachable)]
    for order in (ids, by_score, shuffled):
        seen = set(order[:count])
        views = [_view(nuclei[i].mask) for i in order[:count]]
        direct = [bool(own & seen) for own in itself]
        near = [d or _in_view(n, case, nuclei, views) for d, n in zip(direct, wanted, strict=True)]
        out += [sum(direct), sum(near)]
    return np.array(out, float)


def _sureness(nuclei: Nuclei, id: int) -> float:
    """How far a score is from the threshold: the least sure first."""
    return abs(nuclei[id].score - nuclei.threshold)


def own_entries(need: Need, truth: Sequence[Mask], nuclei: Nuclei, ids: Sequence[int]) -> set[int]:
    """The nuclei of a correction; for a missed one the candidates that lie on it."""
    if need.ids:
        return set(need.ids)
    (lost,) = (truth[k] for k in need.truth)
    here = {n.id for n in nuclei.in_box(lost.box)
            if 2 * n.mask.overlap(lost) >= min(n.mask.area, lost.area)}  # fmt: skip
    return here & {i for i in ids if not nuclei.is_shown(nuclei[i])}


def _view(mask: Mask) -> tuple[float, float, float]:
    y0, x0, y1, x1 = mask.box
    return (y0 + y1) / 2, (x0 + x1) / 2, 2 * max(y1 - y0, x1 - x0)


def _in_view(
    need: Need, case: Case, nuclei: Nuclei, views: Sequence[tuple[float, float, float]]
) -> bool:
    masks = [case.truth[k] for k in need.truth] or [nuclei[i].mask for i in need.ids]
    middles = [mask.centroid for mask in masks]
    return any(
        abs(y - a) <= reach and abs(x - b) <= reach for y, x in middles for a, b, reach in views
    )


if __name__ == "__main__":
    main()
