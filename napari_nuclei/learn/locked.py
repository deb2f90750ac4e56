"""Locked tiles: the part of each image that no model is ever trained on, but judged by.

No torch here.

A tile's lot depends on the pixels of its image and on its place in it, and on nothing else: so
it stays what it is in later rounds, when more of the image is reviewed, when more images come,
and when files are renamed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..masks.box import Box

SIDE = 160
"""Side of a tile in px, about: the image is cut into equal ones."""

MAX_TILES_PER_SIDE = 16
"""Tiles along a side, at most: those of a large image are larger."""

SHARE = 0.2
"""Share of the tiles that are locked."""

CHOOSING = 0.4
"""Share of the locked tiles that are chosen by; the others only judge."""


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """A tile of an image.

    Attributes
    ----------
    digest : str
        Of the image's pixels.
    row, col : int
        Its place in the image's grid.
    """

    digest: str
    row: int
    col: int

    def lot(self, purpose: str = "lock") -> float:
        """Return a number from 0 to 1, always the same for this tile and purpose."""
        text = f"{purpose}:{self.digest}:{self.row}:{self.col}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) / 2**64

    @property
    def chooses(self) -> bool:
        """Whether a locked tile is one to choose by, where there are enough."""
        return self.lot("choose") < CHOOSING

    def __str__(self) -> str:
        return f"{self.digest}:{self.row}:{self.col}"

    @classmethod
    def parse(cls, text: str) -> Tile:
        """Read what `str` wrote.

        Raises
        ------
        ValueError
            If it is something else.
        """
        digest, row, col = text.split(":")
        return cls(digest, int(row), int(col))


@dataclass(frozen=True, slots=True)
class Grid:
    """The tiles of one image.

    Attributes
    ----------
    digest : str
        Of its pixels.
    shape : (int, int)
        Its height and width in px.
    """

    digest: str
    shape: tuple[int, int]

    @property
    def counts(self) -> tuple[int, int]:
        """Tiles down and across."""
        rows, cols = (min(MAX_TILES_PER_SIDE, max(1, round(n / SIDE))) for n in self.shape)
        return rows, cols

    def at(self, y: float, x: float) -> Tile:
        """Return the tile of a point in px."""
        row, col = (
            min(int(v * n / length), n - 1)
            for v, n, length in zip((y, x), self.counts, self.shape, strict=True)
        )
        return Tile(self.digest, row, col)

    def box(self, tile: Tile) -> Box:
        """Return the pixels of a tile: those whose middle `at` gives it."""
        (y0, y1), (x0, x1) = (
            [int(np.ceil(k * length / n - 0.5)) for k in (place, place + 1)]
            for place, n, length in zip((tile.row, tile.col), self.counts, self.shape, strict=True)
        )
        return y0, x0, y1, x1

    def __iter__(self) -> Iterator[Tile]:
        rows, cols = self.counts
        return (Tile(self.digest, row, col) for row in range(rows) for col in range(cols))

    def locked(self, more: Collection[Tile] = ()) -> set[Tile]:
        """Return the locked tiles: those of low lot, and those that were locked by name."""
        return {tile for tile in self if tile.lot() < SHARE or tile in more}

    def draw(self, tiles: Collection[Tile]) -> NDArray[np.bool_]:
        """Return the pixels of some tiles, (H, W)."""
        out = np.zeros(self.shape, bool)
        for tile in tiles:
            y0, x0, y1, x1 = self.box(tile)
            out[y0:y1, x0:x1] = True
        return out


def digest_of(pixels: NDArray[Any]) -> str:
    """Return what an image is known by: a part of the SHA-256 of its pixels."""
    head = f"{pixels.shape}{pixels.dtype.str}".encode()
    return hashlib.sha256(head + np.ascontiguousarray(pixels).tobytes()).hexdigest()[:16]
