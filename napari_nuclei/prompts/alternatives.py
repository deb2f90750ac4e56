"""Other readings of a place: what suppression had thrown away there, in sets that fit.

Torch is loaded when asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ..masks import Mask
from ..nuclei import Nuclei, Nucleus, State
from .prompter import Prompter
from .window import SeenNucleus

AS_ABOVE = 0.8
"""IoU from which on two masks say the same."""

INSIDE = 0.75
"""Share of a mask that must lie in a nucleus for being a part of it."""

LOWEST = 0.02
"""Score below which nothing is offered."""

MAX_ALTERNATIVES = 8
"""Alternatives of a place that are offered."""

MAX_CANDIDATES = 24
"""Candidates of a place that are drawn and compared."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """A set of nuclei that could stand in the place of some.

    Attributes
    ----------
    ids : tuple of int
        The nuclei that would go, the asked-for one first.
    seen : tuple of Seen
        Those that would come.
    words : str
        What it is: ``"2 instead of 1"``, ``"larger"``, …
    value : float
        How likely it is; comparable within one place.
    """

    ids: tuple[int, ...]
    seen: tuple[SeenNucleus, ...]
    summary: str
    value: float


def alternatives_of(prompter: Prompter, nuclei: Nuclei, id: int) -> list[Alternative]:
    """Return what else the detector had thought of in the place of a nucleus, best first.

    Parameters
    ----------
    prompter : Prompter
        Of the same image.
    id : int
        The nucleus; it may be one that a person drew.
    """
    nucleus = nuclei[id]
    y0, x0, y1, x1 = nucleus.mask.box
    dy, dx = (y1 - y0) / 4, (x1 - x0) / 4
    seen = candidates(prompter, (y0 - dy, x0 - dx, y1 + dy, x1 + dx))
    new = [s for s in seen if s.mask.iou(nucleus.mask) < AS_ABOVE and s.mask.overlap(nucleus.mask)]
    found = [*_parts(nucleus, new), *_wholes(nuclei, nucleus, new), *_instead(nuclei, nucleus, new)]
    return _different(sorted(found, key=lambda r: -r.value))[:MAX_ALTERNATIVES]


def _different(alternatives: Sequence[Alternative]) -> list[Alternative]:
    """Drop alternatives that say nearly the same as a better one."""
    kept: list[Alternative] = []
    for r in alternatives:
        if not any(_alike(r, k) for k in kept):
            kept.append(r)
    return kept


def _alike(a: Alternative, b: Alternative) -> bool:
    if len(a.seen) != len(b.seen) or set(a.ids) != set(b.ids):
        return False
    return all(max(x.mask.iou(y.mask) for y in b.seen) >= AS_ABOVE for x in a.seen)


def candidates(prompter: Prompter, box: Sequence[float]) -> list[SeenNucleus]:
    """Return what the detector thinks of in a box, without suppression, best first."""
    boxes = prompter.proposals(box)
    judged = prompter.judge(boxes)
    likely = judged.scores >= LOWEST
    keep = unlike(judged.boxes[likely], judged.scores[likely], AS_ABOVE)[:MAX_CANDIDATES]
    return prompter.draw(judged.boxes[likely][keep], judged.scores[likely][keep])


def unlike(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], most: float
) -> NDArray[np.intp]:
    """Return the places of the boxes that are not alike (IoU above `most`), best first."""
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    order = np.argsort(-scores, kind="stable")
    keep = []
    while len(order):
        best, rest = order[0], order[1:]
        keep.append(best)
        both = np.minimum(boxes[best, 2:], boxes[rest, 2:]) - np.maximum(
            boxes[best, :2], boxes[rest, :2]
        )
        shared = np.maximum(both, 0).prod(1)
        order = rest[shared <= most * (areas[best] + areas[rest] - shared)]
    return np.array(keep, np.intp)


def _parts(nucleus: Nucleus, seen: Sequence[SeenNucleus]) -> Iterator[Alternative]:
    """Two or three instead of this one: they lie in it, apart, and cover most of it."""
    inside = [s for s in seen if _share(s.mask, nucleus.mask) >= INSIDE]
    area = nucleus.mask.area
    for count in (2, 3):
        for some in combinations(inside[:10], count):
            covered = sum(s.mask.overlap(nucleus.mask) for s in some) / area
            pairs = list(combinations(some, 2))
            shared = max(_share(*sorted((a.mask, b.mask), key=len_of)) for a, b in pairs)
            if covered >= 0.65 and shared <= 0.25:
                value = float(np.prod([s.score for s in some]) ** (1 / count))
                value *= min(1.0, covered) * (1 - shared)
                apart = tuple(_apart(some))
                if all(s.mask for s in apart):
                    yield Alternative((nucleus.id,), apart, f"{count} instead of 1", value)


def _wholes(nuclei: Nuclei, nucleus: Nucleus, seen: Sequence[SeenNucleus]) -> Iterator[Alternative]:
    """One instead of this one and its neighbours, which mostly lie in it."""
    for s in seen:
        if _share(nucleus.mask, s.mask) < INSIDE:
            continue
        near = [n for n in _others(nuclei, nucleus, s.mask) if _share(n.mask, s.mask) >= INSIDE]
        if near:
            covered = sum(s.mask.overlap(n.mask) for n in (nucleus, *near)) / s.mask.area
            ids = (nucleus.id, *(n.id for n in near))
            summary = f"1 instead of {len(ids)}"
            yield Alternative(ids, (s,), summary, s.score * min(1.0, covered))


def _instead(
    nuclei: Nuclei, nucleus: Nucleus, seen: Sequence[SeenNucleus]
) -> Iterator[Alternative]:
    """Another outline in the place of this one: larger, smaller, or elsewhere."""
    area = nucleus.mask.area
    for s in seen:
        iou = s.mask.iou(nucleus.mask)
        taken = sum(s.mask.overlap(n.mask) for n in _others(nuclei, nucleus, s.mask))
        if iou < 0.25 or taken > 0.3 * s.mask.area:
            continue
        summary = "larger" if s.mask.area > 1.1 * area else "smaller"
        summary = summary if abs(s.mask.area - area) > 0.1 * area else "moved"
        yield Alternative((nucleus.id,), (s,), summary, s.score * iou)


def _others(nuclei: Nuclei, nucleus: Nucleus, mask: Mask) -> list[Nucleus]:
    near = (n for n in nuclei.in_box(mask.box) if n.id != nucleus.id and nuclei.is_shown(n))
    return [n for n in near if n.state is not State.ACCEPTED]


def _apart(some: Sequence[SeenNucleus]) -> Iterator[SeenNucleus]:
    """Give what two share to the surer one."""
    for k, one in enumerate(some):
        mask = one.mask
        for other in some[:k]:
            mask = mask.minus(other.mask)
        yield SeenNucleus(mask, one.score, one.soft)


def _share(inner: Mask, outer: Mask) -> float:
    return inner.overlap(outer) / inner.area


def len_of(mask: Mask) -> int:
    """Area, for sorting."""
    return mask.area
