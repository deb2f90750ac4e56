"""Cutting a large image into overlapping tiles, each of which answers for its own core."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count, pairwise

from ..masks.box import Box, within

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


def cut(
    shape: tuple[int, int], side: int, margin: int, stride: int, shift: tuple[int, int] = (0, 0)
) -> list[Tile]:
    """Cut an image into tiles of about equal size, at most `side` px wide.

    Parameters
    ----------
    shape : (int, int)
        Height and width in px.
    side, margin, stride : int
        Largest tile side, context around a core, and what tile origins are multiples of.
    shift : (int, int)
        Moves the lines between cores down and to the right, by whole strides: to show that
        results do not depend on them.

    Returns
    -------
    list of Tile
        Row by row. Their cores cover the image.
    """
    rows, cols = (
        _spans(length, side, margin, stride, move)
        for length, move in zip(shape, shift, strict=True)
    )
    return [Tile((y[0], x[0], y[1], x[1]), (y[2], x[2], y[3], x[3])) for y in rows for x in cols]


def cut_around(
    area: Box, shape: tuple[int, int], side: int, margin: int, stride: int
) -> list[Tile]:
    """Cut no more of an image than what its nuclei in an area take; see `cut`.

    The cores reach a margin beyond the area, so that what competes across its edge is known.
    """
    y0, x0, y1, x1 = (
        (v - margin) // stride * stride if k < 2 else v + margin for k, v in enumerate(area)
    )
    y0, x0, y1, x1 = within((y0, x0, y1, x1), shape)
    parts = cut((y1 - y0, x1 - x0), side, margin, stride)
    cores = [(a + y0, b + x0, c + y0, d + x0) for a, b, c, d in (tile.core for tile in parts)]
    return [around(core, shape, margin, stride) for core in cores]


def around(core: Box, shape: tuple[int, int], margin: int, stride: int) -> Tile:
    """Return the tile that answers for a core."""
    y0, x0, y1, x1 = core
    top, left = (max(0, (n - margin) // stride * stride) for n in (y0, x0))
    return Tile((top, left, min(shape[0], y1 + margin), min(shape[1], x1 + margin)), core)


def quarters(tile: Tile, shape: tuple[int, int], margin: int, stride: int) -> list[Tile]:
    """Cut a tile's core in four, for where the whole is too much; none if it is too small."""
    y0, x0, y1, x1 = tile.core
    y, x = (round((a + b) / 2 / stride) * stride for a, b in ((y0, y1), (x0, x1)))
    if min(y - y0, x - x0, y1 - y, x1 - x) < stride:
        return []
    g = GROWN
    cores = [(y0, x0, y + g, x + g), (y0, x - g, y + g, x1), (y - g, x0, y1, x + g)]
    return [around(core, shape, margin, stride) for core in [*cores, (y - g, x - g, y1, x1)]]


_Span = tuple[int, int, int, int]
"""First and last px of a tile, then of its core, along one side."""


def _spans(length: int, side: int, margin: int, stride: int, shift: int) -> list[_Span]:
    if length <= side and not shift:
        return [(0, length, 0, length + 1)]
    if side < 2 * (margin + stride):
        raise ValueError(f"tiles of {side} px are too small for a margin of {margin} px")
    for parts in count(1):
        spans = _parts(length, parts, margin, stride, shift)
        if all(last - first <= side for first, last, *_ in spans):
            break
    return spans


def _parts(length: int, parts: int, margin: int, stride: int, shift: int) -> list[_Span]:
    every = (round(length * k / parts / stride) for k in range(-parts, parts))
    inner = {(line + shift // stride) * stride for line in every}
    lines = [0, *sorted(line for line in inner if 0 < line < length), length]
    return [
        (
            max(0, (a - margin) // stride * stride),
            min(length, b + margin),
            a - GROWN if a else 0,
            b + GROWN,
        )
        for a, b in pairwise(lines)
    ]
