"""A click → the nucleus that is meant, among all that the detector could see there.

Torch is loaded by the `Prompter`.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import EditError
from ..masks import Mask
from ..masks.box import Box
from ..nuclei import Nuclei
from ..progress import Progress
from .alternatives import unlike
from .prompter import Prompter
from .window import Boxes, SeenNucleus, Window

SEVERAL = 2000
"""Nuclei of which the usual size is taken: enough, and soon counted."""

FINE = 16
"""Px of the typical diameter at which candidates are compared: more would only take time."""

SIZES = (0.35, 0.5, 0.7, 1.0, 1.4)
"""Sides of the boxes that are tried at any point, in typical diameters."""

ASIDE = 0.25
"""How far to each side of the point they are tried too, in their own sides."""

TRIED = 24
"""The detector's own proposals that are tried, of each window."""

KEPT = 24
"""Boxes that are unlike each other and are judged once more, of each window."""

DRAWN = (7, 14)
"""Candidates that are drawn and compared, of tile and closer look: the most expensive step."""

WEIGHTS = {
    "score": 0.54,  # logit of the score by which it was found
    "again": 1.1,  # logit of its score when asked again
    "support": 8.3,  # soft value at the point
    "sure": 17.4,  # mean soft value inside
    "aside": -3.2,  # how far the point lies from its middle, in its diameters
    "size": -2.9,  # logarithm of its diameter over the typical one
    "stable": 10.9,  # IoU of its box with the box that it is refined to
    "taken": -1.4,  # share that shown nuclei cover
    "known": -6.9,  # IoU with a shown nucleus
    "same": -35.2,  # the same above 0.5: who clicks there wants another one
    "part": 4.4,  # covered by a nucleus that it is unlike
    "agreed": 15.2,  # mean IoU with all candidates, by their scores
    "agreed²": 1.9,
    "deep": 0.8,  # share of its pixels that lie no deeper in it than the point
    "deep²": 0.9,
}
"""Weights of the choice: they maximise the expected IoU (0.3 → 0, 0.7 → 1) of the one that is
taken for 1,105 nuclei missed in 142 of dsb2018's training images, clicked in their inner half."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    seen: SeenNucleus
    score: float
    again: float
    stable: float


def at_point(
    prompter: Prompter,
    y: float,
    x: float,
    nuclei: Nuclei | None = None,
    usual: float | None = None,
) -> SeenNucleus:
    """Return the nucleus that a person means by a click.

    Parameters
    ----------
    y, x : float
        In px of the image.
    nuclei : Nuclei, optional
        Those that are there already: a click on one of them asks for another than that.
    usual : float, optional
        Diameter in px of the usual nucleus; by default that of `nuclei`, or of the prediction.

    Raises
    ------
    EditError
        If the point lies outside the image, or nothing is seen there.

    Notes
    -----
    Tried are the detector's proposals around the point, and boxes of usual sizes, on the tile
    and in a look twice as close, which finds small nuclei beside large ones.
    """
    height, width = prompter.shape
    if not (0 <= y < height and 0 <= x < width):
        raise EditError("The point lies outside the image.")
    typical = usual or usual_diameter(nuclei) or prompter.diameter
    windows = prompter.window_of((y, x, y, x)), prompter.cell(y, x, typical / 2)
    found = [
        candidate
        for window, most in zip(windows, DRAWN, strict=True)
        for candidate in _candidates(prompter, window, y, x, typical, most)
    ]
    if not found:
        raise EditError("The model sees no nucleus here: draw a box around it, or paint it.")
    values = _features(found, y, x, typical, nuclei) @ np.array(list(WEIGHTS.values()))
    return found[int(values.argmax())].seen


def looking_closer(
    prompter: Prompter, box: Box, usual: float | None = None
) -> Generator[Progress, None, None]:
    """Compute ahead what clicks in a part of the image will look at; nothing where that is much.

    Parameters
    ----------
    box : Box
        In px of the image, as the view shows it.
    usual : float, optional
        As for `at_point`.
    """
    yield from prompter.prepare_cells(box, (usual or prompter.diameter) / 2)


def usual_diameter(nuclei: Nuclei | None) -> float | None:
    """Return the diameter in px of the usual nucleus that is shown; None where there are few.

    In steps of 9 %, so that an edit does not change what has been looked at.
    """
    some = [] if nuclei is None else islice(nuclei.shown(), SEVERAL)
    areas = [n.mask.area for n in some]
    if len(areas) < 8:
        return None
    return float(2 ** (np.round(8 * np.log2(2 * np.sqrt(np.median(areas) / np.pi))) / 8))


def _candidates(
    prompter: Prompter, window: Window, y: float, x: float, typical: float, most: int
) -> list[_Candidate]:
    point = (y, x, y + 1e-3, x + 1e-3)
    own = prompter.proposals(point, window)[:TRIED]
    boxes = np.concatenate([own, _usual_boxes(y, x, typical)])
    once = prompter.judge(boxes, window)
    twice = prompter.judge(once.boxes, window)
    all_ = np.concatenate([boxes, once.boxes, twice.boxes])
    scores = np.concatenate([once.scores * 0.999, once.scores, twice.scores])
    holds = ((all_[:, :2] < (y, x)) & (all_[:, 2:] > (y, x))).all(1)
    holds &= ((all_[:, 2:] - all_[:, :2]) > 1.5).all(1)
    all_, scores = all_[holds], scores[holds]
    keep = unlike(all_, scores, 0.8)[:KEPT]
    all_, scores = all_[keep], scores[keep]
    again = prompter.judge(all_, window)
    stable = _box_iou(all_, again.boxes)
    values = _worth_drawing(all_, scores, again.scores, stable, y, x, typical)
    best = np.sort(np.argsort(-values, kind="stable")[:most])
    level = prompter.detector.card.mask_threshold
    out = []
    for k, soft in zip(best, prompter.soft_masks(all_[best], window), strict=True):
        mask = soft.at_level(level)
        if mask.contains(int(y), int(x)):
            seen = SeenNucleus(mask, float(scores[k]), soft)
            out.append(_Candidate(seen, float(scores[k]), float(again.scores[k]), float(stable[k])))
    return out


def _worth_drawing(
    boxes: Boxes,
    scores: NDArray[np.float32],
    again: NDArray[np.float32],
    stable: NDArray[np.float32],
    y: float,
    x: float,
    typical: float,
) -> NDArray[np.float64]:
    """Foresee the choice as far as boxes can tell."""
    sides = np.maximum(np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(1)), 1e-3)
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    ious = _box_iou(boxes[:, None], boxes[None])
    rows = {
        "score": _logit(scores),
        "again": _logit(again),
        "stable": stable,
        "aside": np.hypot(*(middles - (y, x)).T) / sides,
        "size": np.log(sides / typical),
        "agreed": ious @ again / max(float(again.sum()), 1e-6),
    }
    values: NDArray[np.float64] = np.sum([WEIGHTS[n] * row for n, row in rows.items()], axis=0)
    return values


def _usual_boxes(y: float, x: float, typical: float) -> Boxes:
    sides = np.array(SIZES)[:, None] * typical
    aside = np.array([(0, 0), (ASIDE, 0), (-ASIDE, 0), (0, ASIDE), (0, -ASIDE)])
    middles = (np.array([y, x]) + sides[..., None] * aside).reshape(-1, 2)
    half = np.repeat(sides / 2, len(aside), axis=0).reshape(-1, 1)
    return np.concatenate([middles - half, middles + half], 1).astype(np.float32)


def _box_iou(a: Boxes, b: Boxes) -> NDArray[np.float32]:
    low, high = np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])
    both = np.maximum(high - low, 0).prod(-1)
    areas = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1)
    iou: NDArray[np.float32] = both / np.maximum(areas - both, 1e-6)
    return iou


def _features(
    found: Sequence[_Candidate], y: float, x: float, typical: float, nuclei: Nuclei | None
) -> NDArray[np.float64]:
    agreed = _agreement(found, y, x, typical)
    rows = []
    for candidate, share in zip(found, agreed.tolist(), strict=True):
        mask, soft = candidate.seen.mask, candidate.seen.soft
        diameter = 2 * float(np.sqrt(mask.area / np.pi))
        middle = mask.centroid
        taken, known = _neighbours(mask, nuclei)
        deep = _depth(mask, y, x)
        values = {
            "score": float(_logit(candidate.score)),
            "again": float(_logit(candidate.again)),
            "support": soft.at(y, x),
            "sure": float(soft.values[soft.values >= 0.5].mean()),
            "aside": float(np.hypot(middle[0] + 0.5 - y, middle[1] + 0.5 - x)) / diameter,
            "size": float(np.log(diameter / typical)),
            "stable": candidate.stable,
            "taken": taken,
            "known": known,
            "same": max(0.0, known - 0.5),
            "part": taken * (1 - known),
            "agreed": share,
            "agreed²": share**2,
            "deep": deep,
            "deep²": deep**2,
        }
        rows.append([values[name] for name in WEIGHTS])
    return np.array(rows)


def _agreement(
    found: Sequence[_Candidate], y: float, x: float, typical: float
) -> NDArray[np.float32]:
    """Mean IoU of each candidate with all of them, those that are likelier counting more."""
    step = max(1, int(typical / FINE))
    reach = int(2 * typical / step) + 2
    top, left = int(y) - reach * step, int(x) - reach * step
    canvas = np.zeros((len(found), 2 * reach + 1, 2 * reach + 1), np.float32)
    for k, candidate in enumerate(found):
        candidate.seen.mask.thinned(step, top, left).paint(canvas[k], 1)
    flat = canvas.reshape(len(found), -1)
    both, areas = flat @ flat.T, flat.sum(1)
    iou = both / np.maximum(areas[:, None] + areas - both, 1)
    weight = np.array([c.again * c.seen.soft.at(y, x) for c in found], np.float32)
    share: NDArray[np.float32] = iou @ weight / max(float(weight.sum()), 1e-6)
    return share


def _neighbours(mask: Mask, nuclei: Nuclei | None) -> tuple[float, float]:
    """Share of a mask that shown nuclei cover, and its highest IoU with one."""
    near = [] if nuclei is None else [n for n in nuclei.in_box(mask.box) if nuclei.is_shown(n)]
    shared = [mask.overlap(n.mask) for n in near]
    iou = [s / (mask.area + n.mask.area - s) for s, n in zip(shared, near, strict=True)]
    return min(1.0, sum(shared) / mask.area), max(iou, default=0.0)


def _depth(mask: Mask, y: float, x: float) -> float:
    """Share of a mask's pixels that lie no deeper in it than a point."""
    from scipy import ndimage

    depth = ndimage.distance_transform_edt(np.pad(mask.to_array(), 1))[1:-1, 1:-1]
    here = depth[int(y) - mask.y, int(x) - mask.x]
    return float((depth[depth > 0] <= here).mean())


def _logit(p: ArrayLike) -> NDArray[np.float64]:
    clipped = np.clip(p, 0.01, 0.99)
    out: NDArray[np.float64] = np.log(clipped / (1 - clipped))
    return out
