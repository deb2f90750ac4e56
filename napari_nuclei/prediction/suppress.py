"""Suppression: one nucleus, one mask, also where tiles meet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

from ..masks import Mask
from ..masks.box import Box, shared

MAX_COVERED = 0.7
"""Largest share of the smaller of two masks that the other one may cover."""

CELL = 64
"""Side of a cell of the spatial index in px."""

ScoredMask = tuple[Mask, float]


def best_first(found: Iterable[ScoredMask]) -> list[ScoredMask]:
    """Sort by score, whatever order they came in."""
    return sorted(found, key=lambda item: _rank(*item))


def _rank(mask: Mask, score: float) -> tuple[float, Box, bytes]:
    return -score, mask.box, mask.counts


def distinct(found: Iterable[ScoredMask], most: float = MAX_COVERED) -> list[ScoredMask]:
    """Drop masks that mostly lie in a surer one, or in which a surer one mostly lies.

    Boxes of a part and of the whole overlap little by IoU, so suppression of boxes leaves
    both. On half of dsb2018's validation images this raised F1 from 0.74 to 0.79.

    Parameters
    ----------
    found : iterable of (Mask, float)
        Masks and scores.
    most : float
        Largest share of the smaller of two masks that the other one may cover.

    Returns
    -------
    list of (Mask, float)
        Best first.
    """
    return Joining([], 0, most).add(None, found)


class Joining:
    """Joins what tiles find, in whatever order they come; each nucleus comes out once.

    The outcome is that of going through all masks of the image, the surest first, and keeping
    each that covers no kept one and is covered by none. A mask is decided on as soon as all
    that could touch it are known, so little is held at any time: what lies along the borders
    of tiles that are still to come.

    Parameters
    ----------
    cores : sequence of Box
        Of all tiles, in px of the image: where what they find has its centre.
    reach : float
        How far masks reach beyond the core, in px of the image.
    most : float
        Largest share of the smaller of two masks that the other one may cover.
    """

    def __init__(self, cores: Sequence[Box], reach: float, most: float = MAX_COVERED) -> None:
        grown = np.array([-reach, -reach, reach, reach])
        self._areas = np.array(cores, float).reshape(-1, 4) + grown
        self._open = np.ones(len(cores), bool)
        self._most = most
        self._waiting: list[_Candidate] = []
        self._near = _Cells()
        self._numbers = count()

    @property
    def waiting(self) -> int:
        """Number of masks that are not yet decided on."""
        return len(self._waiting)

    def add(self, tile: int | None, found: Iterable[ScoredMask]) -> list[ScoredMask]:
        """Take what a tile has found; return what is now sure to be kept, best first.

        Parameters
        ----------
        tile : int or None
            The tile's number, none of whose nuclei will come later.
        found : iterable of (Mask, float)
            Masks in px of the image, and scores.
        """
        if tile is not None:
            self._open[tile] = False
        for mask, score in found:
            candidate = _Candidate(mask, score, next(self._numbers))
            self._waiting.append(candidate)
            self._near.put(candidate)
        self._waiting.sort(key=_Candidate.order)
        closed = self._closed([c.mask.box for c in self._waiting])
        ready, still = [], []
        for candidate, known in zip(self._waiting, closed, strict=True):
            rivals = self._near.rivals(candidate, self._most) if known else []
            if not known or any(r.kept is None for r in rivals):
                still.append(candidate)
                continue
            candidate.kept = not any(candidate.covers(r, self._most) for r in rivals)
            if candidate.kept:
                ready.append((candidate.mask, candidate.score))
        self._waiting = still
        self._forget()
        return ready

    def _closed(self, boxes: list[Box]) -> list[bool]:
        """Tell which boxes no tile to come can touch."""
        areas = self._areas[self._open]
        if not len(boxes) or not len(areas):
            return [True] * len(boxes)
        every = np.array(boxes)
        low, high = every.min(0), every.max(0)
        areas = areas[_meet(areas, np.array([low[0], low[1], high[2], high[3]]))]
        meets = np.asarray(_meet(every[:, None], areas[None]).any(1))
        return [not m for m in meets.tolist()]

    def _forget(self) -> None:
        """Keep only those in mind that touch one that waits."""
        near = _Cells()
        seen: set[_Candidate] = set()
        for candidate in self._waiting:
            for other in (candidate, *self._near.touching(candidate)):
                if other not in seen and other.kept is not False:
                    seen.add(other)
                    near.put(other)
        self._near = near


def _meet(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.bool_]:
    out: NDArray[np.bool_] = (
        (a[..., 0] < b[..., 2])
        & (b[..., 0] < a[..., 2])
        & (a[..., 1] < b[..., 3])
        & (b[..., 1] < a[..., 3])
    )
    return out


@dataclass(eq=False, slots=True)
class _Candidate:
    """A mask, and whether it is kept; None is not yet known."""

    mask: Mask
    score: float
    number: int
    kept: bool | None = None
    pixels: NDArray[np.bool_] | None = None
    area: int = 0

    def __post_init__(self) -> None:
        self.pixels = self.mask.to_array()
        self.area = int(np.count_nonzero(self.pixels))

    def order(self) -> tuple[tuple[float, Box, bytes], int]:
        """Sort key: the surest first, whatever order tiles come in; of the same the first one."""
        return _rank(self.mask, self.score), self.number

    def shared(self, other: _Candidate) -> Box:
        """The part of both boxes, maybe empty."""
        return shared(self.mask.box, other.mask.box)

    def covers(self, other: _Candidate, most: float) -> bool:
        """Whether either covers more than a share of the smaller one."""
        assert self.pixels is not None
        assert other.pixels is not None
        y0, x0, y1, x1 = self.shared(other)
        top, left = self.mask.y, self.mask.x
        mine = self.pixels[y0 - top : y1 - top, x0 - left : x1 - left]
        top, left = other.mask.y, other.mask.x
        both = np.count_nonzero(mine & other.pixels[y0 - top : y1 - top, x0 - left : x1 - left])
        return bool(both > most * min(self.area, other.area))


class _Cells:
    """Candidates by place."""

    def __init__(self) -> None:
        self._cells: dict[tuple[int, int], list[_Candidate]] = {}

    def put(self, candidate: _Candidate) -> None:
        for cell in _cells_of(candidate.mask.box):
            self._cells.setdefault(cell, []).append(candidate)

    def touching(self, candidate: _Candidate) -> Iterator[_Candidate]:
        """Yield the others whose boxes share a pixel with its box, some of them twice."""
        for cell in _cells_of(candidate.mask.box):
            for other in self._cells.get(cell, ()):
                if other is not candidate:
                    y0, x0, y1, x1 = candidate.shared(other)
                    if y0 < y1 and x0 < x1:
                        yield other

    def rivals(self, candidate: _Candidate, most: float) -> list[_Candidate]:
        """Return the surer ones that may cover it or be covered, going by their boxes."""
        out = []
        for other in self.touching(candidate):
            if other.kept is False:
                continue
            y0, x0, y1, x1 = candidate.shared(other)
            may = (y1 - y0) * (x1 - x0) > most * min(candidate.area, other.area)
            if may and (other.kept or other.order() < candidate.order()):
                out.append(other)
        return out


def _cells_of(box: Box) -> Iterator[tuple[int, int]]:
    for row in range(box[0] // CELL, (box[2] - 1) // CELL + 1):
        for col in range(box[1] // CELL, (box[3] - 1) // CELL + 1):
            yield row, col
