"""`Walk`: where a reviewer has been, to go back and on; `ScoreWalk`: along the least sure ones."""

from __future__ import annotations

from collections.abc import Callable, Collection

from ..nuclei import Nuclei, Nucleus, State


class Walk:
    """The places that have been visited, in order; none comes again until all others have."""

    def __init__(self) -> None:
        self._path: list[int] = []
        self._at = -1

    def __len__(self) -> int:
        """Return how many places have been visited in this round."""
        return len(self._path)

    def next(
        self, is_open: Callable[[int], bool], best: Callable[[Collection[int]], int | None]
    ) -> int | None:
        """Go on: to what was gone back from, else to the best one; None where there is none.

        Parameters
        ----------
        is_open : callable
            Whether a place is still to be looked at.
        best : callable
            Returns the best place that is none of the given ones.
        """
        while self._at + 1 < len(self._path):
            self._at += 1
            if is_open(self._path[self._at]):
                return self._path[self._at]
        found = best(self._path)
        if found is None:  # once round: begin anew
            found = best(())
            if found is None:
                return None
            self._path.clear()
        self._path.append(found)
        self._at = len(self._path) - 1
        return found

    def previous(self, is_there: Callable[[int], bool]) -> int | None:
        """Go back to the place before that is still there; None at the first one."""
        while self._at > 0:
            self._at -= 1
            if is_there(self._path[self._at]):
                return self._path[self._at]
        return None


class ScoreWalk:
    """A walk along the proposals that nobody has decided on, the least sure first.

    Parameters
    ----------
    walk : Walk, optional
        One that is gone on with.

    Attributes
    ----------
    current : int or None
        Id of the nucleus that was gone to last.
    end, none : str
        What to say when there is no other one, and when there are no nuclei at all.
    """

    end = "No proposal is left to look at: all are accepted, corrected or rejected."
    none = "There are no nuclei here yet."

    def __init__(self, walk: Walk | None = None) -> None:
        self.current: int | None = None
        self._walk = Walk() if walk is None else walk

    def go(self, nuclei: Nuclei, step: int = 1) -> int | None:
        """Return the next nucleus (`step` 1), or the one before (−1); None at an end."""
        if step < 0:
            found = self._walk.previous(lambda id: id in nuclei)
            if found is None and self.current in nuclei:
                found = self.current
        else:
            found = self._walk.next(
                lambda id: id in nuclei and _is_open(nuclei, nuclei[id]),
                lambda without: _least_sure(nuclei, set(without)),
            )
        self.current = found
        return found

    def summary(self, nuclei: Nuclei, left: int) -> str:
        """Say in a line where the walk is, with `left` proposals to go."""
        if self.current is None or self.current not in nuclei:
            return self.end
        return f"Score {nuclei[self.current].score:.2f}; {left:,} to go."


def _least_sure(nuclei: Nuclei, without: set[int]) -> int | None:
    left = ((n.score, n.id) for n in nuclei if n.id not in without and _is_open(nuclei, n))
    return min(left, default=(0.0, None))[1]


def _is_open(nuclei: Nuclei, nucleus: Nucleus) -> bool:
    """Whether a nucleus is shown and nobody has decided on it."""
    open_ = nucleus.state is State.PROPOSED and nucleus.score >= nuclei.threshold
    return open_ and not nucleus.corrected
