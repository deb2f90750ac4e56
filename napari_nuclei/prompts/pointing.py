"""A click → the nucleus that is meant, among all that the detector could see there.

Here: the candidates at a point, and choosing one. Not here: boxes (`prompts.py`), features
and heads (`prompter.py`), edits (`edits.py`). Torch is loaded by the `Prompter`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..edit import EditError
from ..mask import Mask
from ..nuclei import Nuclei
from .prompter import Boxes, Prompter, Seen, Window
from .readings import unlike

SIZES = (0.35, 0.5, 0.7, 1.0, 1.4)
"""Sides of the boxes that are tried at any point, in typical diameters."""

ASIDE = 0.25
"""How far to each side of the point they are tried too, in their own sides."""

TRIED = 24
"""The detector's own proposals that are tried, of each window."""

DRAWN = 14
"""Candidates that are drawn and compared, of each window."""

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
    seen: Seen
    score: float
    again: float
    stable: float


def at_point(prompter: Prompter, y: float, x: float, nuclei: Nuclei | None = None) -> Seen:
    """Return the nucleus that a person means by a click.

    Parameters
    ----------
    y, x : float
        In px of the image.
    nuclei : Nuclei, optional
        Those that are there already: a click on one of them asks for another than that.

    Raises
    ------
    EditError
        If the point lies outside of the image, or nothing is seen there.

    Notes
    -----
    Tried are the detector's proposals around the point, and boxes of usual sizes, on the tile
    and in a look twice as close, which finds small nuclei beside large ones.
    """
    height, width = prompter.shape
    if not (0 <= y < height and 0 <= x < width):
        raise EditError("The point lies outside of the image.")
    typical = _typical(prompter, nuclei)
    tile, closer = prompter.window_of((y, x, y, x)), prompter.look(y, x, typical / 2)
    found = [c for w in (tile, closer) for c in _candidates(prompter, w, y, x, typical)]
    if not found:
        raise EditError("The model sees no nucleus here: draw a box with W, or paint it.")
    values = _features(found, y, x, typical, nuclei) @ np.array(list(WEIGHTS.values()))
    return found[int(values.argmax())].seen


def _typical(prompter: Prompter, nuclei: Nuclei | None) -> float:
    """Diameter of the usual shown nucleus; that of the prediction where there are few."""
    areas = [] if nuclei is None else [n.mask.area for n in nuclei.shown()]
    return 2 * float(np.sqrt(np.median(areas) / np.pi)) if len(areas) >= 8 else prompter.diameter


def _candidates(
    prompter: Prompter, window: Window, y: float, x: float, typical: float
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
    keep = unlike(all_, scores, 0.8)[:DRAWN]
    all_, scores = all_[keep], scores[keep]
    again = prompter.judge(all_, window)
    stable = _box_iou(all_, again.boxes)
    level = prompter.detector.card.mask_threshold
    out = []
    for k, soft in enumerate(prompter.soft_masks(all_, window)):
        mask = soft.at_level(level)
        if mask.contains(int(y), int(x)):
            seen = Seen(mask, float(scores[k]), soft)
            out.append(_Candidate(seen, float(scores[k]), float(again.scores[k]), float(stable[k])))
    return out


def _usual_boxes(y: float, x: float, typical: float) -> Boxes:
    sides = np.array(SIZES)[:, None] * typical
    aside = np.array([(0, 0), (ASIDE, 0), (-ASIDE, 0), (0, ASIDE), (0, -ASIDE)])
    middles = (np.array([y, x]) + sides[..., None] * aside).reshape(-1, 2)
    half = np.repeat(sides / 2, len(aside), axis=0).reshape(-1, 1)
    return np.concatenate([middles - half, middles + half], 1).astype(np.float32)


def _box_iou(a: Boxes, b: Boxes) -> NDArray[np.float32]:
    both = np.maximum(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0).prod(1)
    either = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - both
    iou: NDArray[np.float32] = both / np.maximum(either, 1e-6)
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
            "score": _logit(candidate.score),
            "again": _logit(candidate.again),
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
    reach = int(2 * typical) + 2
    top, left = int(y) - reach, int(x) - reach
    canvas = np.zeros((len(found), 2 * reach + 1, 2 * reach + 1), np.float32)
    for k, candidate in enumerate(found):
        candidate.seen.mask.paint(canvas[k], 1, top, left)
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


def _logit(p: float) -> float:
    p = min(max(p, 0.01), 0.99)
    return float(np.log(p / (1 - p)))
