"""Boxes of whole pixels."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

Box = tuple[int, int, int, int]
"""(y0, x0, y1, x1) in px, the second corner outside."""


def touches(a: Box, b: Box) -> bool:
    """Whether two boxes share a pixel."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def has_middle(outer: Box, box: Box) -> bool:
    """Whether the middle of a box lies in another one."""
    y, x = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return outer[0] <= y < outer[2] and outer[1] <= x < outer[3]


def enclosing(boxes: Iterable[Box]) -> Box:
    """Return the smallest box around at least one box."""
    rows = np.array(list(boxes))
    y0, x0 = rows[:, :2].min(0)
    y1, x1 = rows[:, 2:].max(0)
    return int(y0), int(x0), int(y1), int(x1)


def is_empty(box: Box) -> bool:
    """Whether a box holds no pixel."""
    return box[0] >= box[2] or box[1] >= box[3]


def shared(a: Box, b: Box) -> Box:
    """Return what two boxes share; empty where they do not touch."""
    return max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])


def within(box: Box, shape: tuple[int, int]) -> Box:
    """Return the part of a box that lies in an image of (height, width); may be empty."""
    return shared(box, (0, 0, *shape))


def covers(outer: Box, inner: Box) -> bool:
    """Whether a box lies in another one whole."""
    return shared(outer, inner) == inner


def without(box: Box, gone: Box) -> list[Box]:
    """Return what is left of a box: above, below, left and right of what goes."""
    if not touches(box, gone):
        return [box]
    y0, x0, y1, x1 = box
    top, left, bottom, right = shared(box, gone)
    parts = [(y0, x0, top, x1), (bottom, x0, y1, x1), (top, x0, bottom, left)]
    return [part for part in (*parts, (top, right, bottom, x1)) if not is_empty(part)]
