"""Doubts: what speaks for a nucleus needing correction, in numbers and in words.

No torch, no Qt.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..masks import Mask
from ..nuclei import Nuclei, Nucleus, State

SIGNS: dict[str, str] = {
    "doubtful": "low score",
    "near": "score near the threshold",
    "small": "unusually small",
    "large": "unusually large",
    "long": "unusually long",
    "hollow": "odd shape",
    "rough": "ragged outline",
    "overlap": "overlaps a neighbour",
    "border": "touches the border of the image",
    "cut": "ends straight, as if cut along a tile",
    "rival": "an alternative is nearly as likely",
    "crowded": "touches many others",
    "candidate": "perhaps missed: a candidate below the threshold",
    "likely": "perhaps missed: a candidate just below the threshold",
    "covered": "a candidate on top of another nucleus",
    "vague": "the outline is unsure",
}
"""Each sign, and what it says to a person. All signs are about 0…1, 0 for what is usual."""

NAMES = tuple(SIGNS)

STRAIGHT, MIN_STRAIGHT = 0.85, 8
"""Share of a mask's width or height, and px, that end on one line where a tile has cut it."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What only the detector can say of a nucleus; gathered while nobody waits.

    Attributes
    ----------
    entropy : float
        Mean entropy of its soft mask, in bits a pixel of the nucleus.

    Notes
    -----
    Disagreement with the mirrored image was tried too: beside the entropy it told nothing.
    """

    entropy: float


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual for the nuclei of an image.

    Attributes
    ----------
    size : float
        Median of the logarithm of the area in px.
    spread : float
        Its spread, as a standard deviation.
    long : float
        Median of the logarithm of length over width.
    """

    size: float = math.log(300)
    spread: float = 0.5
    long: float = 0.2

    @classmethod
    def of(cls, rows: Iterable[Nucleus]) -> Usual:
        """Measure it on the nuclei that are shown; falls back to what is usual anywhere."""
        masks = [n.mask for n in rows]
        if len(masks) < 8:
            return cls()
        logs = np.log([m.area for m in masks])
        size = float(np.median(logs))
        spread = max(0.2, 1.48 * float(np.median(np.abs(logs - size))))
        return cls(size, spread, float(np.median([_length(m) for m in masks])))


def signs(
    nuclei: Nuclei, nucleus: Nucleus, usual: Usual, evidence: Evidence | None = None
) -> NDArray[np.float32]:
    """Return the signs of one nucleus or candidate, (len(NAMES),) float32."""
    mask, threshold = nucleus.mask, nuclei.threshold
    out = dict.fromkeys(NAMES, 0.0)
    shown, hidden, touching = _around(nuclei, nucleus)
    oddness = (math.log(mask.area) - usual.size) / usual.spread / 3
    out["small"], out["large"] = max(0.0, -oddness), max(0.0, oddness)
    out["long"] = max(0.0, _length(mask) - usual.long)
    out["hollow"] = max(0.0, 1 - mask.area / (math.pi / 4 * mask.height * mask.width))
    out["rough"] = _roughness(mask)
    y0, x0, y1, x1 = mask.box
    out["border"] = float(min(y0, x0) <= 0 or y1 >= nuclei.shape[0] or x1 >= nuclei.shape[1])
    out["cut"] = float(_is_cut(mask, nuclei.shape))
    out["crowded"] = min(1.0, touching / 6)
    if nuclei.is_shown(nucleus):
        out["doubtful"] = 1 - nucleus.score
        out["near"] = math.exp(-abs(nucleus.score - threshold) / 0.15)
        out["overlap"] = min(1.0, shown)
        out["rival"] = hidden
    else:
        out["candidate"] = 1.0
        out["likely"] = nucleus.score / max(threshold, 1e-3)
        out["covered"] = min(1.0, shown)
    if evidence is not None:
        out["vague"] = evidence.entropy - TYPICAL
    return np.array([min(out[name], 3.0) for name in NAMES], np.float32)


TYPICAL = 0.6
"""Entropy that counts as neither good nor bad, so that not knowing does not count either."""


def _around(nuclei: Nuclei, nucleus: Nucleus) -> tuple[float, float, int]:
    """Look at the neighbours of a nucleus.

    Returns
    -------
    float, float, int
        Share of it that shown ones cover; highest score of a candidate on it; number of
        shown ones whose boxes touch its own.
    """
    y0, x0, y1, x1 = nucleus.mask.box
    covered, rival, touching = 0, 0.0, 0
    area = nucleus.mask.area
    for other in nuclei.in_box((y0 - 1, x0 - 1, y1 + 1, x1 + 1)):
        if other.id == nucleus.id or other.state is State.REJECTED:
            continue
        shown = nuclei.is_shown(other)
        touching += shown
        if not shown and other.score <= rival:
            continue
        shared = nucleus.mask.overlap(other.mask)
        if shown:
            covered += shared
        elif shared >= 0.3 * min(area, other.mask.area):
            rival = other.score
    return covered / area, rival, touching


def _is_cut(mask: Mask, shape: tuple[int, int]) -> bool:
    """Whether a side of its box, if not the image's own border, cuts a mask off straight.

    So look one in a hundred true nuclei of dsb2018's and vrdl's validation images.
    """
    pixels = mask.to_array()
    y0, x0, y1, x1 = mask.box
    sides = (
        (y0 > 0, pixels[0]),
        (y1 < shape[0], pixels[-1]),
        (x0 > 0, pixels[:, 0]),
        (x1 < shape[1], pixels[:, -1]),
    )
    straight = (side for inside, side in sides if inside and side.sum() >= MIN_STRAIGHT)
    return any(side.mean() >= STRAIGHT for side in straight)


def _length(mask: Mask) -> float:
    """Logarithm of length over width, by the spread of the pixels."""
    ys, xs = np.nonzero(mask.to_array())
    if len(ys) < 3:
        return 0.0
    dy, dx = ys - ys.mean(), xs - xs.mean()
    a, b, c = float(dy @ dy), float(dx @ dx), float(dy @ dx)
    root = math.hypot((a - b) / 2, c)
    large, small = (a + b) / 2 + root, (a + b) / 2 - root
    return 0.5 * math.log((large + len(ys) / 12) / (max(small, 0.0) + len(ys) / 12))


def _roughness(mask: Mask) -> float:
    """How much longer an outline is than an ellipse's of the same length and area."""
    pixels = np.pad(mask.to_array(), 1)
    steps = np.count_nonzero(pixels[1:] != pixels[:-1]) + np.count_nonzero(
        pixels[:, 1:] != pixels[:, :-1]
    )
    # A convex shape has exactly the sides of its box as steps.
    return min(1.0, steps / (2 * (mask.height + mask.width)) - 1)


def is_entry(nuclei: Nuclei, nucleus: Nucleus) -> bool:
    """Whether a nucleus is to be looked at: a proposal that nobody has treated yet."""
    return nucleus.state is State.PROPOSED and not nucleus.touched and bool(nucleus.mask)


def reason(values: NDArray[np.float32], weights: NDArray[np.float64], mean: Sequence[float]) -> str:
    """Say in words which sign speaks loudest."""
    parts = weights * (values - np.asarray(mean))
    parts = np.where(values > 0, parts, 0)
    best = int(parts.argmax())
    return SIGNS[NAMES[best]] if parts[best] > 0 else "nothing odd about it"
