"""Cutting a large image into overlapping tiles, each of which answers for its own core.

Here: where tiles and cores lie. Not here: what happens in them (`predict.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count, pairwise

from .mask import Box

GROWN = 4
"""Px by which a core reaches over its lines, so that a centre on a line has an owner."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile and its core, both (y0, x0, y1, x1) in px of the resampled image.

    Attributes
    ----------
    box : Box
        What the network sees.
    core : Box
        The part in which a detection's centre must lie to be the tile's.
    """

    box: Box
    core: Box

    @property
    def local_core(self) -> Box:
        """The core in px of the tile."""
        y, x = self.box[:2]
        return self.core[0] - y, self.core[1] - x, self.core[2] - y, self.core[3] - x


def cut(shape: tuple[int, int], side: int, margin: int, stride: int) -> list[Tile]:
    """Cut an image into tiles of about equal size, at most `side` px wide.

    Parameters
    ----------
    shape : (int, int)
        Height and width in px.
    side, margin, stride : int
        Largest tile side, context around a core, and what tile origins are multiples of.

    Returns
    -------
    list of Tile
        Row by row. Their cores cover the image.
    """
    rows, cols = (_spans(length, side, margin, stride) for length in shape)
    return [
        Tile(
            (y.tile[0], x.tile[0], y.tile[1], x.tile[1]),
            (y.core[0], x.core[0], y.core[1], x.core[1]),
        )
        for y in rows
        for x in cols
    ]


@dataclass(frozen=True, slots=True)
class _Span:
    tile: tuple[int, int]
    core: tuple[int, int]


def _spans(length: int, side: int, margin: int, stride: int) -> list[_Span]:
    if length <= side:
        return [_Span((0, length), (0, length + 1))]
    if side < 2 * (margin + stride):
        raise ValueError(f"tiles of {side} px are too small for a margin of {margin} px")
    for parts in count(2):
        spans = _parts(length, parts, margin, stride)
        if all(span.tile[1] - span.tile[0] <= side for span in spans):
            break
    return spans


def _parts(length: int, parts: int, margin: int, stride: int) -> list[_Span]:
    lines = [round(length * k / parts / stride) * stride for k in range(parts)] + [length]
    return [
        _Span(
            (max(0, (a - margin) // stride * stride), min(length, b + margin)),
            (a - GROWN if a else 0, b + GROWN),
        )
        for a, b in pairwise(lines)
    ]
