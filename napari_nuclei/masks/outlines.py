"""Outlines along the edges of pixels: masks → rings of corners, and rings → masks.

A pixel at (y, x) is the square from (x, y) to (x + 1, y + 1), as in QuPath and ImageJ, and belongs
to a ring if its centre lies inside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import codec, rle
from .mask import Mask

Ints = NDArray[np.int64]
Ring = list[list[float]]

LEFT, RIGHT = 0, 2
START, END = 0, 1


@dataclass(frozen=True, slots=True)
class Rings:
    """Closed outlines of some objects; the last corner is not the first one again.

    Attributes
    ----------
    points : (N, 2) array
        Corners (x, y) in px, one ring after the other.
    sizes : (R,) int64
        Corners of each ring.
    owner : (R,) int64
        Number of the object that each ring belongs to, rising.
    """

    points: NDArray[Any]
    sizes: Ints
    owner: Ints

    @property
    def areas(self) -> NDArray[np.float64]:
        """Signed area of each ring in px: above 0 for outer ones, below for holes."""
        ends = np.cumsum(self.sizes)
        following = np.arange(1, len(self.points) + 1)
        following[ends[self.sizes > 0] - 1] = (ends - self.sizes)[self.sizes > 0]
        x, y = self.points[:, 0].astype(float), self.points[:, 1].astype(float)
        twice = np.concatenate([[0.0], np.cumsum(x * y[following] - x[following] * y)])
        areas: NDArray[np.float64] = (twice[ends] - twice[ends - self.sizes]) / 2
        return areas


def trace(masks: Sequence[Mask]) -> Rings:
    """Follow the outlines of masks along the edges of their pixels.

    Returns
    -------
    Rings
        With whole-numbered corners. Pixels that touch at a corner only are separate rings, and
        no ring comes to a corner twice, so that the polygons are valid.
    """
    parts = [_trace(masks[k : k + codec.BATCH], k) for k in range(0, len(masks), codec.BATCH)]
    if not parts:
        return Rings(np.zeros((0, 2), np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64))
    return Rings(
        np.concatenate([p.points for p in parts]),
        np.concatenate([p.sizes for p in parts]),
        np.concatenate([p.owner for p in parts]),
    )


def _trace(masks: Sequence[Mask], first: int) -> Rings:
    boxes = np.array([m.box for m in masks], np.int64)
    tall, wide = (boxes[:, 2:] - boxes[:, :2]).T
    # Each mask has a grid of corners of its own; all grids lie one after the other.
    base = rle.offsets((tall + 1) * (wide + 1))
    where, which = _corners(masks, tall, base)
    owner = np.searchsorted(base, where, side="right") - 1
    x, y = np.divmod(where - base[owner], tall[owner] + 1)
    double = np.flatnonzero(where[1:] == where[:-1])
    following = _following(which, double, base[owner] + y * (wide[owner] + 1) + x)
    ring, place, sizes = _cycles(following)
    order = np.empty_like(place)
    order[rle.offsets(sizes)[ring] + place] = np.arange(len(place))
    points = np.stack([x + boxes[owner, 1], y + boxes[owner, 0]], 1)[order]
    leaders = order[rle.offsets(sizes)]
    rings = Rings(points, sizes, owner[leaders] + first)
    pinched = np.unique(ring[double][ring[double] == ring[double + 1]])
    return _without_pinches(rings, pinched) if len(pinched) else rings


def _corners(masks: Sequence[Mask], tall: Ints, base: Ints) -> tuple[Ints, Ints]:
    """Return where outlines turn, sorted by mask, x and y, and what makes them turn there."""
    runs = np.frombuffer(b"".join(m.counts for m in masks), "<u4").astype(np.int64)
    sizes = np.array([len(m.counts) // 4 for m in masks], np.int64)
    starts, ends, owner, column = rle.cut(*rle.object_runs(runs, sizes), tall)
    # Column x of a mask's pixels lies between x and x + 1 of its grid.
    at = base[owner] + column  # a column of corners is one longer than one of pixels
    left_of = [at + starts, at + ends]
    right_of = [line + tall[owner] + 1 for line in left_of]
    coded = np.concatenate(
        [
            4 * left_of[0] + RIGHT + START,
            4 * left_of[1] + RIGHT + END,
            4 * right_of[0] + LEFT + START,
            4 * right_of[1] + LEFT + END,
        ]
    )
    coded.sort()
    where, which = coded >> 2, coded & 3
    # Where runs of two columns start, or end, side by side, the outline goes straight on.
    straight = np.flatnonzero((where[1:] == where[:-1]) & ((which[1:] ^ which[:-1]) == RIGHT))
    keep = np.ones(len(where), bool)
    keep[straight] = keep[straight + 1] = False
    return where[keep], which[keep]


def _following(which: Ints, double: Ints, by_row: Ints) -> Ints:
    """Return each corner's next one: along vertical and horizontal edges by turns.

    Along a line, edges lie between the first and second corner, the third and fourth, ….
    `double` are corners at which pixels touch by a tip: the first entry belongs to the edge
    above, the second to that below.
    """
    count = len(which)
    keys = 2 * by_row
    # The edge above goes on to the side on which the pixel above is.
    keys[double + np.where(which[double] == LEFT + END, 1, 0)] += 1
    rows = np.argsort(keys, kind="stable")
    beside = np.empty(count, np.int64)
    beside[rows[0::2]], beside[rows[1::2]] = rows[1::2], rows[0::2]
    across = np.arange(count) ^ 1
    top = which[0::2]
    inside_right = (top == RIGHT + START) | (top == LEFT + END)
    # Down where the inside is to the left: the outer rings then have a positive area.
    tail = np.stack([~inside_right, inside_right], 1).ravel()
    return np.where(tail, across, beside)


def _cycles(following: Ints) -> tuple[Ints, Ints, Ints]:
    """Number the cycles of a permutation: of each element its cycle and its place in it."""
    count = len(following)
    least, jump = np.arange(count), following
    while True:
        lower = np.minimum(least, least[jump])
        if (lower == least).all():
            break
        least, jump = lower, jump[jump]
    is_first = least == np.arange(count)
    number = np.cumsum(is_first) - 1
    ring = number[least]
    sizes = np.bincount(ring, minlength=int(is_first.sum()))
    # Steps to the first element, by doubling.
    jump = np.where(is_first, np.arange(count), following)
    steps = (~is_first).astype(np.int64)
    for _ in range(int(sizes.max(initial=1)).bit_length()):
        steps, jump = steps + steps[jump], jump[jump]
    return ring, np.where(is_first, 0, sizes[ring] - steps), sizes


def _without_pinches(rings: Rings, pinched: Ints) -> Rings:
    """Take rings apart that come to one corner twice."""
    points, sizes, owners = [], [], []
    ends = np.cumsum(rings.sizes)
    wanted = set(pinched.tolist())
    for k, (end, size, owner) in enumerate(zip(ends, rings.sizes, rings.owner, strict=True)):
        ring = rings.points[end - size : end]
        for part in _simple(ring.tolist()) if k in wanted else [ring]:
            points.append(np.asarray(part))
            sizes.append(len(part))
            owners.append(owner)
    return Rings(np.concatenate(points), np.array(sizes), np.array(owners))


def _simple(ring: Ring) -> Iterator[Ring]:
    path: Ring = []
    places: dict[tuple[float, float], int] = {}
    for x, y in ring:
        at = places.get((x, y))
        if at is not None:
            yield path[at:]
            for point in path[at:]:
                del places[point[0], point[1]]
            del path[at:]
        places[x, y] = len(path)
        path.append([x, y])
    yield path


# -- objects out of rings ---------------------------------------------------------------


def polygons(rings: Rings, count: int) -> list[list[list[Ring]]]:
    """Sort the rings of `count` objects into polygons: the outer ring first, then its holes."""
    out: list[list[list[Ring]]] = [[] for _ in range(count)]
    holes: list[tuple[int, Ring]] = []
    points, ends = rings.points.tolist(), np.cumsum(rings.sizes).tolist()
    each = zip([0, *ends], ends, rings.owner.tolist(), rings.areas.tolist(), strict=False)
    for start, end, owner, area in each:
        ring = points[start:end]
        if area > 0:
            out[owner].append([ring])
        else:
            holes.append((owner, ring))
    for owner, ring in holes:
        around = out[owner]
        if len(around) > 1:
            around = [p for p in around if _contains(p[0], _just_inside(ring))]
        # Of nested ones the smallest is the nearest around the hole.
        min(around, key=lambda p: abs(_area(p[0]))).append(ring)
    return out


def _just_inside(ring: Ring) -> tuple[float, float]:
    x, y = min(map(tuple, ring))
    return x + 0.5, y + 0.5


def _area(ring: Ring) -> float:
    return float(Rings(np.array(ring), np.array([len(ring)]), np.zeros(1, np.int64)).areas[0])


def _contains(ring: Ring, point: tuple[float, float]) -> bool:
    corners = np.array(ring)
    (x0, y0), (x1, y1) = corners.T, np.roll(corners, -1, 0).T
    crosses = (y0 > point[1]) != (y1 > point[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        at = x0 + (point[1] - y0) / (y1 - y0) * (x1 - x0)
    return bool(np.count_nonzero(crosses & (point[0] < at)) % 2)


# -- filling ----------------------------------------------------------------------------


def fill(rings: Rings, count: int, shape: tuple[int, int]) -> list[Mask]:
    """Make masks of outlines: the pixels whose centres lie inside of an odd number of rings.

    Parameters
    ----------
    rings : Rings
        Finite corners; what lies outside the image is cut off.
    count : int
        How many objects there are.
    shape : (int, int)
        Height and width of the image in px.
    """
    out: list[Mask] = []
    corner = np.concatenate([[0], np.cumsum(rings.sizes)])
    for k in range(0, count, codec.BATCH):
        some = min(codec.BATCH, count - k)
        first, last = np.searchsorted(rings.owner, [k, k + some])
        points = np.asarray(rings.points[corner[first] : corner[last]], float)
        part = Rings(points, rings.sizes[first:last], rings.owner[first:last] - k)
        out += codec.from_runs(*_filled(part, some, shape), shape)
    return out


def _filled(rings: Rings, count: int, shape: tuple[int, int]) -> tuple[Ints, Ints]:
    height, width = shape
    sizes = rings.sizes[rings.sizes > 0]
    following = np.arange(1, len(rings.points) + 1)
    ends = np.cumsum(sizes)
    following[ends - 1] = ends - sizes
    x0, y0 = rings.points.T
    x1, y1 = rings.points[following].T
    # Columns whose middle an edge crosses.
    low = np.ceil(np.clip(np.minimum(x0, x1), -1, width + 1) - 0.5).clip(0, width).astype(np.int64)
    high = np.ceil(np.clip(np.maximum(x0, x1), -1, width + 1) - 0.5).clip(0, width).astype(np.int64)
    pieces = high - low
    edge = np.repeat(np.arange(len(pieces)), pieces)
    column = low[edge] + np.arange(len(edge)) - rle.offsets(pieces)[edge]
    slope = (y1 - y0)[edge] / (x1 - x0)[edge]
    y = y0[edge] + (column + 0.5 - x0[edge]) * slope
    row = np.ceil(np.clip(y, -1, height + 1) - 0.5).clip(0, height).astype(np.int64)
    owner = np.repeat(rings.owner[rings.sizes > 0], sizes)[edge]
    place = np.sort((owner * width + column) * (height + 1) + row)
    line, row = np.divmod(place, height + 1)
    owner, column = np.divmod(line[0::2], width)
    starts, stops = column * height + row[0::2], column * height + row[1::2]
    full = starts < stops
    totals = np.full(count, height * width)
    return rle.joined(starts[full], stops[full], owner[full], totals)
