"""`DrawnTools`: the tools that take a line, a box or clicks on a review layer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from psygnal import Signal

from ...nuclei import Nuclei, edits
from ...nuclei.edits import Edit
from ..layers.gestures import Gestures, Point, Tool
from ..layers.in_view import needs_view

if TYPE_CHECKING:
    from ...review import Review


class DrawnTools:
    """Tools of one review layer.

    Attributes
    ----------
    gestures : Gestures
        The mouse.
    told : Signal
        A line for the person.
    """

    told = Signal(str)
    gestures: Gestures

    @property
    @abstractmethod
    def review(self) -> Review:
        """The review of the plane in view."""

    @abstractmethod
    def do(self, make: Callable[[Nuclei], Edit]) -> bool:
        """Do the edit that `make` returns for the present nuclei; say why if it is refused."""

    def _at(self, point: Point | None) -> int | None:
        if point is None:
            return None
        found = self.review.nuclei.at(round(point[0]), round(point[1]))
        return None if found is None else found.id

    def activate_join(self) -> None:
        """Take the tool that joins what a line crosses in hand."""
        hint = "Draw a line through the parts of a nucleus."
        self.gestures.activate(Tool("join", "line", self._on_join, hint))

    def _on_join(self, line: list[Point]) -> None:
        ids = list(dict.fromkeys(self._crossed(line)))
        if len(ids) < 2:
            self.told.emit("The line does not cross two nuclei: draw it from one into the other.")
        else:
            self.do(lambda nuclei: edits.merge(nuclei, ids))

    @needs_view
    def split(self) -> None:
        """Take the tool that splits along a line in hand."""
        self.gestures.activate(
            Tool("split", "line", self._on_line, "Draw a line right across a nucleus.")
        )

    def _on_line(self, line: list[Point]) -> None:
        targets = [i for i in self.review.selection if i in self.review.nuclei]
        crossed = targets if len(targets) == 1 else self._crossed(line)
        # The one that most of the line lies in.
        id = max(set(crossed), key=crossed.count, default=None)
        if id is None:
            self.told.emit("The line does not cross a nucleus: draw it right across one.")
        else:
            self.do(lambda nuclei: edits.split(nuclei, id, line))

    def _crossed(self, line: list[Point]) -> list[int]:
        """Return the nucleus under each px of a line, where there is one."""
        nuclei = self.review.nuclei
        seen = [nuclei.at(round(y), round(x)) for y, x in _dense(line)]
        return [n.id for n in seen if n is not None]

    @needs_view
    def seeds(self) -> None:
        """Take the tool that splits by clicks in hand: one seed in each of two parts."""
        points: list[Point] = []
        clicked_in: list[Review] = []

        def on_click(clicked: list[Point]) -> None:
            if clicked_in != [self.review]:  # the first seed lies in another plane
                clicked_in[:] = [self.review]
                points.clear()
            points.extend(clicked)
            id = self._at(points[0])
            if len(points) > 1 and id is not None:
                self.do(lambda nuclei: edits.split_by_seeds(nuclei, id, points))
            if len(points) > 1 or id is None:
                points.clear()

        hint = "Click once in each of the two parts of a nucleus."
        self.gestures.activate(Tool("split by seeds", "click", on_click, hint))

    @needs_view
    def complete_area(self) -> None:
        """Take the tool that marks an area complete in hand."""

        def on_box(corners: list[Point]) -> None:
            (y0, x0), (y1, x1) = corners
            ys, xs = sorted((round(y0), round(y1))), sorted((round(x0), round(x1)))
            self.do(lambda n: edits.mark_complete(n, (ys[0], xs[0], ys[1] + 1, xs[1] + 1)))

        hint = "Draw a box around an area in which nothing is missing."
        self.gestures.activate(Tool("mark complete", "box", on_box, hint))


def _dense(line: Sequence[Point]) -> list[Point]:
    """Return points of a polyline about a px apart."""
    out: list[Point] = []
    for (y0, x0), (y1, x1) in pairwise(line):
        steps = max(1, round(max(abs(y1 - y0), abs(x1 - x0))))
        out += [(y0 + (y1 - y0) * k / steps, x0 + (x1 - x0) * k / steps) for k in range(steps)]
    return [*out, *line[-1:]]
