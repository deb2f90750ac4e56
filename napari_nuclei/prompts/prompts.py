"""Prompts: a box, a click or a nucleus → what the user's own detector sees there.

Here: the nucleus in a box; a click (`pointing.py`) and other readings (`readings.py`) are
found here too. Not here: features and heads (`prompter.py`), edits (`edits.py`). Torch
is loaded by the `Prompter`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..edit import EditError
from .pointing import at_point
from .prompter import Prompter, Seen, Window
from .readings import OtherReading, other_readings
from .soft_mask import SoftMask, mean_of

__all__ = [
    "OtherReading",
    "Prompter",
    "Seen",
    "at_point",
    "in_box",
    "other_readings",
    "others_in_box",
]

LARGEST = 8.0
"""Largest box that is answered, in typical diameters."""

CLOSER = 1.5
"""How much closer than at its best size a drawn box is looked at."""

ROOM = (0.0, 0.1, 0.2)
"""By how much the boxes whose soft masks are averaged are larger than the drawn one."""

FILLS = 6.0
"""Weight of knowing that a nucleus fills the box that a person draws around it."""


def in_box(prompter: Prompter, box: Sequence[float]) -> Seen:
    """Return the nucleus around which a person has drawn a box.

    Parameters
    ----------
    box : (y0, x0, y1, x1)
        In px of the image; may reach beyond it.

    Raises
    ------
    EditError
        If the box lies outside of the image, or is far larger than a nucleus.

    Notes
    -----
    The mask head is asked at a scale at which this very nucleus is large, for the box and for
    two that give it room; a box that its own head had refined gave worse masks. A nucleus
    touches the sides of its box and leaves the corners free: that goes into the soft mask as
    the logarithm of odds. Chosen on nuclei of dsb2018's validation images that the model had
    missed: mean IoU from 0.72 (the mask head alone, on the tile) to 0.76.
    """
    inside = _inside(prompter, box)
    height, width = inside[2] - inside[0], inside[3] - inside[1]
    window = _look(prompter, inside)
    half = np.array([-height, -width, height, width]) / 2
    boxes = [inside + room * half for room in ROOM]
    soft = _filling(mean_of(prompter.soft_masks(boxes, window)), inside)
    mask = soft.at_level(prompter.detector.card.mask_threshold)
    if not mask:  # a box of a pixel or two, of which the middle is always meant
        mask = soft.at_level(float(soft.values.max(initial=0)))
    if not mask:
        raise EditError("There is nothing in this box: draw it around a nucleus.")
    score = float(prompter.judge([inside], window).scores[0])
    return Seen(mask, score, soft)


def others_in_box(prompter: Prompter, box: Sequence[float]) -> list[Seen]:
    """Return what else a drawn box could mean: the ellipse in it, and the bare mask head.

    Parameters and errors are those of `in_box`.
    """
    inside = _inside(prompter, box)
    window = _look(prompter, inside)
    (bare,) = prompter.soft_masks([inside], window)
    score = float(prompter.judge([inside], window).scores[0])
    y0, x0 = (int(np.floor(v)) for v in inside[:2])
    y1, x1 = (int(np.ceil(v)) for v in inside[2:])
    round_ = SoftMask(y0, x0, np.full((y1 - y0, x1 - x0), 0.5, np.float32))
    level = prompter.detector.card.mask_threshold
    softs = [(_filling(round_, inside), 0.5), (bare, level)]
    return [Seen(s.at_level(at), score, s) for s, at in softs if s.at_level(at)]


def _look(prompter: Prompter, box: NDArray[np.float64]) -> Window:
    return prompter.look(*_middle(box), _side(box) / CLOSER, fits=float(max(box[2:] - box[:2])))


def _middle(box: NDArray[np.float64]) -> tuple[float, float]:
    return float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2


def _side(box: NDArray[np.float64]) -> float:
    return float(np.sqrt((box[2] - box[0]) * (box[3] - box[1])))


def _inside(prompter: Prompter, box: Sequence[float]) -> NDArray[np.float64]:
    height, width = prompter.shape
    y0, x0, y1, x1 = box
    inside = np.array([max(y0, 0), max(x0, 0), min(y1, height), min(x1, width)], float)
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        raise EditError("The box lies outside of the image: draw it around a nucleus.")
    if max(inside[2:] - inside[:2]) > LARGEST * prompter.diameter:
        raise EditError("The box is far larger than a nucleus: draw it around a single one.")
    return inside


def _filling(soft: SoftMask, box: NDArray[np.float64]) -> SoftMask:
    """Add that a nucleus fills its box, as an ellipse does, to what the detector says."""
    height, width = soft.values.shape
    down = np.arange(soft.y, soft.y + height) + 0.5 - (box[0] + box[2]) / 2
    across = np.arange(soft.x, soft.x + width) + 0.5 - (box[1] + box[3]) / 2
    radius = np.hypot(
        down[:, None] / max(0.5, (box[2] - box[0]) / 2), across / max(0.5, (box[3] - box[1]) / 2)
    )
    p = np.clip(soft.values, 0.02, 0.98)
    odds = np.log(p / (1 - p)) + np.clip(FILLS * (1 - radius), -4, 4)
    return SoftMask(soft.y, soft.x, (1 / (1 + np.exp(-odds))).astype(np.float32))
