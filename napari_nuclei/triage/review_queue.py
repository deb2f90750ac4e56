"""`ReviewQueue`: what to look at next, and why.

No torch, no Qt.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..nuclei import Nuclei
from ..nuclei.edit import Edit
from ..progress import Progress, result_of
from . import weights as doubt_weights
from .default_weights import DEFAULT
from .doubts import NAMES, Evidence, Usual, is_entry, reason, signs
from .walk import Walk
from .weights import Weights

SHARE = 256
"""Nuclei that are judged between two words of progress."""

COVERED = 0.5
"""Share of a candidate that shown nuclei may cover; it would only repeat one of them."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A place to look at.

    Attributes
    ----------
    id : int
        The nucleus, or the candidate below the threshold.
    chance : float
        0…1: how likely it is to need correction.
    reason : str
        Why, in words.
    """

    id: int
    chance: float
    reason: str


class ReviewQueue:
    """The queue of one image.

    Parameters
    ----------
    nuclei : Nuclei
        Followed, never changed; `follow` must be told of each edit.
    weights : Weights, optional
        Where learning starts; the shipped ones by default.
    walk : Walk, optional
        One that is gone on with.

    Notes
    -----
    It is built by `build` or `build_steps`. Places that have been visited do not come again
    until all others have.
    """

    def __init__(
        self, nuclei: Nuclei, weights: Weights = DEFAULT, walk: Walk | None = None
    ) -> None:
        self.nuclei = nuclei
        self.start = self.weights = weights
        self.usual = Usual()
        self._rows: dict[int, int] = {}
        self._ids = np.zeros(0, np.int64)
        self._table = np.zeros((0, len(NAMES)), np.float32)
        self._open = np.zeros(0, bool)
        self._evidence: dict[int, Evidence] = {}
        self._walk = Walk() if walk is None else walk

    # -- building ---------------------------------------------------------------------

    def build(self) -> ReviewQueue:
        """Judge all nuclei; see `build_steps`."""
        return result_of(self.build_steps())

    def build_steps(self) -> Generator[Progress, None, ReviewQueue]:
        """Judge all nuclei, a few at a time; edits in between must be told to `follow`."""
        self.usual = Usual.of(list(self.nuclei.shown()))
        rows = [n.id for n in self.nuclei]
        self._resize(rows)
        for start in range(0, len(rows), SHARE):
            yield Progress(start, len(rows), "Looking for doubtful nuclei")
            self._judge(rows[start : start + SHARE])
        return self

    def _resize(self, ids: list[int]) -> None:
        """Make room for ids that have no row yet."""
        new = [i for i in ids if i not in self._rows]
        if not new:
            return
        first = len(self._rows)
        self._rows.update((id, first + k) for k, id in enumerate(new))
        room = len(self._rows)
        if room > len(self._ids):
            more = max(room, 2 * len(self._ids)) - len(self._ids)
            self._ids = np.concatenate([self._ids, np.full(more, -1)])
            self._table = np.concatenate([self._table, np.zeros((more, len(NAMES)), np.float32)])
            self._open = np.concatenate([self._open, np.zeros(more, bool)])
        self._ids[first:room] = new

    def _judge(self, ids: Iterable[int]) -> None:
        """Bring the rows of some nuclei up to date.

        A nucleus that a person has treated keeps the signs it had before, to learn from.
        """
        for id in ids:
            row = self._rows[id]
            self._open[row] = id in self.nuclei and is_entry(self.nuclei, self.nuclei[id])
            if not self._open[row]:
                continue
            values = signs(self.nuclei, self.nuclei[id], self.usual, self._evidence.get(id))
            self._table[row] = values
            if values[_COVERED] > COVERED:
                self._open[row] = False

    # -- following --------------------------------------------------------------------

    def follow(self, edit: Edit) -> None:
        """Take account of an edit that has been done, or of the inverse of an undone one."""
        if edit.threshold is not None:
            near = [n.id for n in self.nuclei]
        else:
            # One px more: touching counts too.
            boxes = [(y0 - 1, x0 - 1, y1 + 1, x1 + 1) for y0, x0, y1, x1 in edit.boxes]
            near = [n.id for box in boxes for n in self.nuclei.in_box(box)]
        ids = list(dict.fromkeys([*edit.ids, *near]))
        self._resize(ids)
        self._judge(ids)

    def add_evidence(self, found: dict[int, Evidence]) -> None:
        """Take account of what the detector says of some nuclei."""
        there = {id: said for id, said in found.items() if id in self.nuclei}
        self._evidence |= there
        self._resize(list(there))
        self._judge(there)

    def learn(self) -> int:
        """Learn the weights from what the reviewer has decided; return from how many nuclei.

        The signs are those that the nuclei had before they were treated.
        """
        known = {id: self._table[row] for id, row in self._rows.items() if self._table[row].any()}
        table, needed = doubt_weights.examples(self.nuclei, known, self.nuclei)
        self.weights = doubt_weights.learn(table, needed, self.start)
        return len(needed)

    def reset(self, weights: Weights = DEFAULT) -> None:
        """Forget what was learned."""
        self.start = self.weights = weights

    # -- going along ------------------------------------------------------------------

    def __len__(self) -> int:
        """Return how many places there are to look at."""
        return int(self._open.sum())

    def order(self) -> NDArray[np.int64]:
        """Return the ids of all places, the likeliest to need correction first."""
        rows = np.flatnonzero(self._open)
        chances = self.weights.chances(self._table[rows])
        # Equal chances in order of ids, so that the order is always the same.
        ids: NDArray[np.int64] = self._ids[rows][np.lexsort((self._ids[rows], -chances))]
        return ids

    def next(self) -> Entry | None:
        """Go to the likeliest place that has not been visited; None where there is none."""
        id = self._walk.next(self._is_open, self._best)
        return None if id is None else self.entry(id)

    def _best(self, without: Collection[int]) -> int | None:
        rows = np.flatnonzero(self._open)
        rows = rows[~np.isin(self._ids[rows], list(without))]
        if not len(rows):
            return None
        chances = self.weights.chances(self._table[rows])
        return int(self._ids[rows][np.lexsort((self._ids[rows], -chances))[0]])

    def previous(self) -> Entry | None:
        """Go back to the place before, treated since or not; None at the first one."""
        id = self._walk.previous(lambda id: id in self.nuclei and id in self._rows)
        return None if id is None else self.entry(id)

    def entry(self, id: int) -> Entry:
        """Return a place with its reason."""
        values = self._table[self._rows[id]]
        chance = float(self.weights.chances(values[None])[0])
        return Entry(id, chance, reason(values, np.array(self.weights.values), self.weights.mean))

    def signs_of(self, ids: Iterable[int]) -> NDArray[np.float32]:
        """Return the (N, signs) table of some places."""
        return self._table[[self._rows[i] for i in ids]]

    @property
    def visited(self) -> int:
        """How many places have been visited in this round."""
        return len(self._walk)

    def _is_open(self, id: int) -> bool:
        return id in self._rows and bool(self._open[self._rows[id]])


_COVERED = NAMES.index("covered")
