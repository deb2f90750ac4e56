"""How many pixels masks have in common, for many pairs at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..masks import Mask, rle

Ints = NDArray[np.int64]

BATCH = 1 << 21
"""Runs that are looked up at once, which bounds the memory it takes."""


class Runs:
    """Masks as vertical runs of pixels, each within one column, in one ascending order.

    Parameters
    ----------
    masks : sequence of Mask
        All of the same image.

    Attributes
    ----------
    starts, lengths : (N,) int64
        Of every run. Places are numbered by mask, then column, then row.
    """

    def __init__(self, masks: Sequence[Mask]) -> None:
        boxes = np.array([m.box for m in masks], np.int64).reshape(-1, 4)
        runs = np.frombuffer(b"".join(m.counts for m in masks), "<u4").astype(np.int64)
        sizes = np.array([len(m.counts) // 4 for m in masks], np.int64)
        height = boxes[:, 2] - boxes[:, 0]
        starts, ends, owner, column = rle.cut(*rle.object_runs(runs, sizes), height)
        corner = boxes[:, :2].min(0, initial=0)
        # One row and one column to spare, so that no two masks or columns touch.
        self._tall, self._wide = boxes[:, 2:].max(0, initial=0) - corner + 1
        self._corner = corner
        x = column + boxes[owner, 1]
        y = starts - column * height[owner] + boxes[owner, 0]
        self.starts = self._place(owner, x) + y - corner[0]
        self.lengths = ends - starts
        self._before = np.cumsum(self.lengths) - self.lengths

    def _place(self, mask: Ints, x: Ints) -> Ints:
        """Return the place above the first row."""
        out: Ints = (mask * self._wide + x - self._corner[1]) * self._tall
        return out

    def within(self, mask: Ints, x0: Ints, x1: Ints) -> tuple[Ints, Ints]:
        """Return the first run of the masks in columns from x0, and the first from x1 on."""
        first, last = (np.searchsorted(self.starts, self._place(mask, x)) for x in (x0, x1))
        return first, last

    def pixels_before(self, place: Ints) -> Ints:
        """Return how many pixels all masks have before a place."""
        run = np.searchsorted(self.starts, place, side="right") - 1
        inside = np.clip(place - self.starts[run], 0, self.lengths[run])
        out: Ints = np.where(run < 0, 0, self._before[run] + inside)
        return out

    def in_common(self, first: Ints, second: Ints, x0: Ints, x1: Ints) -> Ints:
        """Return the number of common pixels of masks in the columns from x0 to before x1."""
        a0, a1 = self.within(first, x0, x1)
        b0, b1 = self.within(second, x0, x1)
        fewer = a1 - a0 <= b1 - b0  # these runs are looked up among the others
        begin, count = np.where(fewer, a0, b0), np.minimum(a1 - a0, b1 - b0)
        move = np.where(fewer, second - first, first - second) * self._wide * self._tall
        out = np.zeros(len(first), np.int64)
        last = 0
        total = np.cumsum(count)
        while last < len(first):
            start, done = last, int(total[last - 1]) if last else 0
            last = max(start + 1, int(np.searchsorted(total, done + BATCH, side="right")))
            some = slice(start, last)
            size = count[some]
            run = np.repeat(begin[some] - rle.offsets(size), size) + np.arange(size.sum())
            place = self.starts[run] + np.repeat(move[some], size)
            pixels = self.pixels_before(place + self.lengths[run]) - self.pixels_before(place)
            out[some] = rle.sums(pixels, size)
        return out


def in_common(
    one: Sequence[Mask], other: Sequence[Mask], first: Ints, second: Ints
) -> NDArray[np.int64]:
    """Count the pixels that masks have in common.

    Parameters
    ----------
    one, other : sequence of Mask
        Of the same image.
    first, second : (N,) int64
        The pairs: indices into the two sequences.

    Returns
    -------
    (N,) int64
        What `Mask.overlap` says of each pair.
    """
    if not len(first):
        return np.zeros(0, np.int64)
    second = second + len(one)
    masks = [*one, *other]
    columns = np.array([(m.x, m.x + m.width) for m in masks], np.int64)
    a, b = columns[first], columns[second]
    x0 = np.maximum(a[:, 0], b[:, 0])
    x1 = np.maximum(np.minimum(a[:, 1], b[:, 1]), x0)
    return Runs(masks).in_common(first, second, x0, x1)
