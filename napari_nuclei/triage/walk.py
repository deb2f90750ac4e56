"""`Walk`: the order in which a reviewer goes through the nuclei of an image."""

from __future__ import annotations

from ..nuclei import Nuclei, Nucleus, State


class Walk:
    """A place among the proposals of an image that nobody has decided on.

    Attributes
    ----------
    current : int or None
        Id of the nucleus that was gone to last.
    end, none : str
        What to say when there is no other one, and when there are no nuclei at all.
    """

    end = "No proposal is left to look at: all are accepted, corrected or rejected."
    none = "There are no nuclei here yet."

    def __init__(self) -> None:
        self.current: int | None = None
        self._visited: list[int] = []
        self._ahead: list[int] = []
        self._made_for: tuple[int, float] | None = None

    def go(self, nuclei: Nuclei, step: int = 1) -> int | None:
        """Return the next nucleus (`step` 1), or the one before (−1); None at an end."""
        if step < 0:
            return self._back(nuclei)
        made_for = nuclei.next_id, nuclei.threshold
        if self._made_for != made_for:
            self._made_for = made_for
            self._ahead = self._sorted(nuclei, set(self._visited))
        best = self._first(nuclei)
        if best is None:  # once round: begin anew
            self._ahead = self._sorted(nuclei, set())
            self._visited.clear()
            best = self._first(nuclei)
        self.current = best
        if best is not None:
            self._visited.append(best)
        return best

    def _first(self, nuclei: Nuclei) -> int | None:
        """Take the first that is still open off the order."""
        while self._ahead:
            id = self._ahead.pop()
            if id in nuclei and _is_open(nuclei, nuclei[id]):
                return id
        return None

    @staticmethod
    def _sorted(nuclei: Nuclei, without: set[int]) -> list[int]:
        """Return the open ones, the least sure last."""
        left = [(n.score, n.id) for n in nuclei if _is_open(nuclei, n) and n.id not in without]
        return [id for _, id in sorted(left, reverse=True)]

    def _back(self, nuclei: Nuclei) -> int | None:
        places = [k for k, id in enumerate(self._visited) if id == self.current]
        earlier = self._visited[: places[-1]] if places else self._visited
        found = [id for id in earlier if id in nuclei]
        if not found:
            return self.current if self.current in nuclei else None
        self.current = found[-1]
        self._ahead += self._visited[: len(earlier) - 1 : -1]
        self._visited = earlier
        return self.current

    def summary(self, nuclei: Nuclei, left: int) -> str:
        """Say in a line where the walk is, with `left` proposals to go."""
        if self.current is None or self.current not in nuclei:
            return self.end
        return f"Score {nuclei[self.current].score:.2f}; {left:,} to go."


def _is_open(nuclei: Nuclei, nucleus: Nucleus) -> bool:
    """Whether a nucleus is shown and nobody has decided on it."""
    open_ = nucleus.state is State.PROPOSED and nucleus.score >= nuclei.threshold
    return open_ and not nucleus.corrected
