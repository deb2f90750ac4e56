"""What a correction costs with napari's own tools, by a reviewer who knows the truth.

Here: brush, eraser, polygon, fill and pick; each correction by the cheapest way that brings the
nucleus to the wanted IoU. Not here: the prompts (`actions.py`).

A click, a key or a corner is one action; a drag is one for each straight segment of its path
at a tolerance of 2 px; a change of the brush's size is one, since its slider is one drag. Tools
stay active, so that a switch costs a key only where the tool before was another one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from review_data import Need
from skimage.draw import polygon2mask
from skimage.measure import approximate_polygon, find_contours

from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import Nuclei

TOLERANCE = 2.0
"""Px by which a drag may leave the path that it follows."""

PICK = 2
"""L and a click: the label of the nucleus that is to be changed."""


@dataclass(frozen=True)
class Way:
    """A way to correct: what is done with which tool, and what the nucleus is then."""

    actions: int
    tool: str
    mask: Mask


@dataclass
class Hand:
    """A reviewer with napari's tools: what is active, and how large the brush is."""

    iou: float
    tool: str = ""
    brush: float = 10.0

    def switch(self, tool: str) -> int:
        """Take a tool; costs a key unless it is in hand."""
        cost = int(tool != self.tool)
        self.tool = tool
        return cost

    def missed(self, truth: Mask) -> Way:
        """M, then the outline."""
        return self._cheapest(1, [*self._dab(truth), self._polygon(truth)])

    def false(self) -> int:
        """Fill with the background: label 0 chosen once, then a click each."""
        return self.switch("fill 0") * 2 + 1

    def boundary(self, truth: Mask, shown: Mask, pick: int = PICK) -> Way:
        """Add or erase what differs, or draw it anew over the old one and fill what is left.

        `pick`: what it costs to choose the label; 0 where it is chosen already.
        """
        ways = [*self._repaint(truth, shown, pick)]
        anew = self._polygon(truth)
        if shown.minus(anew.mask):
            # Drawn with the picked label it would keep what lies outside: so erase that first.
            ways.append(Way(anew.actions + 1 + 2, "polygon", anew.mask))
        ways.append(Way(anew.actions + pick, "polygon", anew.mask.union(shown)))
        return self._cheapest(0, [w for w in ways if w.mask.iou(truth) >= self.iou])

    def split(self, truth: Mask, parts: Sequence[Mask]) -> Way:
        """Pick one's label, fill the others with it; then the boundary, if need be."""
        together = Mask.union_of(parts)
        cost = PICK + self.switch("fill") + len(parts) - 1
        if together.iou(truth) >= self.iou:
            return Way(cost, "fill", together)
        rest = self.boundary(truth, together)
        return Way(cost + rest.actions, rest.tool, rest.mask)

    def correct(self, need: Need, truth: Sequence[Mask], nuclei: Nuclei) -> int:
        """What a correction costs, all of it."""
        true, shown = [truth[k] for k in need.truth], [nuclei[i].mask for i in need.ids]
        if need.kind == "false":
            return sum(self.false() for _ in shown)
        if need.kind == "missed":
            return sum(self.missed(t).actions for t in true)
        if need.kind == "split" and len(true) == 1:
            return self.split(true[0], shown).actions
        # Each shown nucleus becomes the true one it is most like; what is left over is drawn anew
        # on top of it, and shown ones that are left over are filled.
        cost, left = 0, list(shown)
        for t in sorted(true, key=lambda m: -m.area):
            best = max(left, key=t.iou, default=None)
            if best is None:
                cost += self.missed(t).actions
                continue
            left.remove(best)
            rest = best.minus(Mask.union_of(o for o in true if o is not t)) or best
            # The others are drawn over it, which takes their pixels from it.
            cost += 0 if rest.iou(t) >= self.iou else self.boundary(t, rest).actions
        return cost + sum(self.false() for _ in left)

    # -- ways -------------------------------------------------------------------------

    def _cheapest(self, before: int, ways: Sequence[Way]) -> Way:
        best = min(ways, key=lambda w: w.actions + (w.tool != self.tool))
        return Way(before + self.switch(best.tool) + best.actions, best.tool, best.mask)

    def _polygon(self, truth: Mask) -> Way:
        """The polygon of the fewest corners that is like enough."""
        for corners in polygons(truth):
            mask = filled(corners)
            if mask.iou(truth) >= self.iou:
                return Way(len(corners), "polygon", mask)
        return Way(len(corners), "polygon", truth)

    def _dab(self, truth: Mask) -> Iterator[Way]:
        """A click, or a straight stroke along the axis, with a brush of the right size."""
        ys, xs = truth.pixels()
        middle = np.array([ys.mean(), xs.mean()])
        spread = np.cov(np.stack([ys, xs])) if len(ys) > 2 else np.eye(2) / 12
        values, vectors = np.linalg.eigh(spread + np.eye(2) / 12)
        wide, long = 4 * np.sqrt(values)
        for stretch in (0.0, (long - wide) / 2):
            ends = [middle + s * stretch * vectors[:, 1] for s in (-1, 1)]
            sizes = [self.brush, wide, 0.9 * wide, float(np.sqrt(wide * long))]
            for k, size in enumerate(sizes):
                mask = stroke(ends, size)
                if mask.iou(truth) >= self.iou:
                    if k:
                        self.brush = size
                    yield Way(1 + (k > 0), "brush", mask)
                    break

    def _repaint(self, truth: Mask, shown: Mask, pick: int) -> Iterator[Way]:
        """Brush what is missing, or erase what is too much, the largest places first."""
        for tool, wrong, before in (
            ("eraser", shown.minus(truth), 0),
            ("brush", truth.minus(shown), pick),
        ):
            mask, cost = shown, before
            for part in wrong.parts():
                cost += segments(part)
                mask = mask.minus(part) if tool == "eraser" else mask.union(part)
                if mask.iou(truth) >= self.iou:
                    yield Way(cost, tool, mask)
                    break


def polygons(mask: Mask) -> Iterator[NDArray[np.float64]]:
    """Yield polygons (y, x) of more and more corners, of the mask's own area."""
    pixels = np.pad(mask.to_array(), 2).astype(float)
    outline = max(find_contours(pixels, 0.5), key=len) + np.array([mask.y - 2, mask.x - 2])
    size = float(np.sqrt(mask.area))
    seen = 0
    for tolerance in np.geomspace(size / 2, 0.2, 24):
        corners = approximate_polygon(outline, tolerance)[:-1]
        if len(corners) < 3 or len(corners) <= seen:
            continue
        seen = len(corners)
        y, x = corners.T
        area = 0.5 * abs(float(y @ np.roll(x, 1) - x @ np.roll(y, 1)))
        middle = corners.mean(0)
        yield middle + (corners - middle) * np.sqrt(mask.area / max(area, 1.0))


def filled(corners: NDArray[np.float64]) -> Mask:
    """The pixels in a polygon."""
    low = np.floor(corners.min(0)).astype(int)
    shape = np.ceil(corners.max(0)).astype(int) - low + 1
    return Mask.from_array(polygon2mask(tuple(shape), corners - low), int(low[0]), int(low[1]))


def stroke(ends: Sequence[NDArray[np.float64]], size: float) -> Mask:
    """The pixels that a round brush paints along a straight line."""
    a, b = ends
    low = np.floor(np.minimum(a, b) - size).astype(int)
    shape = np.ceil(np.maximum(a, b) + size).astype(int) - low + 1
    grid = np.stack(np.mgrid[: shape[0], : shape[1]], -1) + low - a
    along = b - a
    length = float(along @ along)
    t = np.clip(grid @ along / length, 0, 1) if length > 0 else np.zeros(grid.shape[:2])
    near = np.hypot(*np.moveaxis(grid - t[..., None] * along, -1, 0)) <= size / 2
    return Mask.from_array(near, int(low[0]), int(low[1]))


def segments(part: Mask) -> int:
    """Straight segments of a drag that covers a thin part: half of its outline's."""
    pixels = np.pad(part.to_array(), 2).astype(float)
    outline = max(find_contours(pixels, 0.5), key=len)
    return max(1, round((len(approximate_polygon(outline, TOLERANCE)) - 1) / 2))
