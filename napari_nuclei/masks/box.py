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
