"""`SelfCheck`: now and then an accepted nucleus comes again, to see if the reviewer agrees.

No torch, no Qt.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from ..masks import Mask
from ..nuclei import Nuclei, Nucleus, State

SHARE = 0.02
"""How many of the places that are looked at are second looks."""

MIN_ACCEPTED = 10
"""Nuclei that must have been accepted before any comes again: it should be a while ago."""

SAME = 0.9
"""IoU from which on an outline counts as left as it was."""


@dataclass(frozen=True, slots=True)
class Consistency:
    """How often second looks agreed with the first.

    Attributes
    ----------
    agreed, asked : int
        Of how many.
    """

    agreed: int = 0
    asked: int = 0

    @property
    def share(self) -> float | None:
        """0…1; None as long as nothing was asked."""
        return self.agreed / self.asked if self.asked else None

    def summary(self) -> str:
        """Say it in a few words, as ``consistent in 11 of 12``; empty at first."""
        return f"consistent in {self.agreed} of {self.asked}" if self.asked else ""


class SelfCheck:
    """Asks again.

    Parameters
    ----------
    share : float
        Of the places that are looked at; 0 turns it off.
    seed : int, optional
        Of the chance by which nuclei come again.

    Notes
    -----
    `pick` is asked at each step along the queue. What it returned is judged at the next step:
    rejected, deleted or given another outline is a disagreement; all else an agreement.
    """

    def __init__(self, share: float = SHARE, seed: int | None = None) -> None:
        self.share = share
        self.result = Consistency()
        self._chance = random.Random(seed)
        self._asked: tuple[int, Mask] | None = None
        self._done: set[int] = set()

    @property
    def asking(self) -> int | None:
        """The nucleus that has come again and has not been judged yet."""
        return self._asked[0] if self._asked else None

    def pick(self, nuclei: Nuclei) -> Nucleus | None:
        """Judge the last second look, and decide if one is due now; mostly None."""
        self.judge(nuclei)
        if self._chance.random() >= self.share:
            return None
        rows = [n for n in nuclei if n.state is State.ACCEPTED]
        fresh = [n for n in rows if n.id not in self._done]
        if len(rows) < MIN_ACCEPTED or not fresh:
            return None
        # Not the latest ones, which are still remembered.
        fresh.sort(key=lambda n: n.order)
        nucleus = self._chance.choice(fresh[: max(1, len(fresh) - MIN_ACCEPTED // 2)])
        self._asked = nucleus.id, nucleus.mask
        self._done.add(nucleus.id)
        return nucleus

    def judge(self, nuclei: Nuclei) -> Consistency:
        """Compare the nucleus that has come again with what it was; return all so far."""
        if self._asked is None:
            return self.result
        id, mask = self._asked
        same = id in nuclei and nuclei[id].state is State.ACCEPTED
        same = same and nuclei[id].mask.iou(mask) >= SAME
        self.result = Consistency(self.result.agreed + same, self.result.asked + 1)
        self._asked = None
        return self.result
