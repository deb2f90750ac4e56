"""`Walk`: the order in which a reviewer goes through the nuclei of an image.

Here: going on and back, skipping what is decided. Not here: how likely a nucleus is to need
correction; the least sure proposals come first.
"""

from __future__ import annotations

from .nuclei import Nuclei, Nucleus, State


class Walk:
    """A place among the proposals of an image that nobody has decided on.

    Attributes
    ----------
    current : int or None
        Id of the nucleus that was gone to last.
    end : str
        What to say when there is no other one.
    """

    end = "There is no proposal left to look at: all are accepted, corrected or rejected."

    def __init__(self) -> None:
        self.current: int | None = None
        self._visited: list[int] = []

    def go(self, nuclei: Nuclei, step: int = 1) -> int | None:
        """Return the next nucleus (`step` 1), or the one before (−1); None at an end."""
        if step < 0:
            return self._back(nuclei)
        left = [n for n in nuclei.shown() if n.state is State.PROPOSED and not n.corrected]
        seen = set(self._visited)
        fresh = [n for n in left if n.id not in seen]
        if not fresh and left:  # once round: begin anew
            self._visited = [] if self.current is None else [self.current]
            fresh = [n for n in left if n.id != self.current] or left
        best = min(fresh, key=_surety, default=None)
        self.current = None if best is None else best.id
        if best is not None:
            self._visited.append(best.id)
        return self.current

    def _back(self, nuclei: Nuclei) -> int | None:
        places = [k for k, id in enumerate(self._visited) if id == self.current]
        earlier = self._visited[: places[-1]] if places else self._visited
        found = [id for id in earlier if id in nuclei]
        if not found:
            return self.current if self.current in nuclei else None
        self.current = found[-1]
        self._visited = [i for i in self._visited if i in earlier]
        return self.current

    def words(self, nuclei: Nuclei) -> str:
        """Say in a line where the walk is."""
        if self.current is None or self.current not in nuclei:
            return self.end
        left = sum(n.state is State.PROPOSED for n in nuclei.shown())
        return f"Score {nuclei[self.current].score:.2f}; {left:,} to go."


def _surety(nucleus: Nucleus) -> tuple[float, int]:
    return nucleus.score, nucleus.id
