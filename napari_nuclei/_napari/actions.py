"""`Actions`: what keys, buttons and gestures do to the nuclei of a review layer.

Here: which nuclei are meant (those selected, else the one under the mouse), the edit, and going
on to the next one. Not here: keys (`keys.py`), the mouse (`gestures.py`), edits (`edits.py`).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from psygnal import Signal

from .. import edits, outlines, shaping
from ..box import Box
from ..edits import Edit
from ..nuclei import Nuclei
from ..walk import Walk
from .bridge import Bridge
from .camera import bring_into_view, look_at
from .gestures import Gestures, Point, Tool
from .keys import filled
from .preview import Preview
from .queue_walk import QueueWalk

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from ..review import Review
    from .prompt_actions import Prompts


class Actions:
    """What a person does to the nuclei of one review layer.

    Attributes
    ----------
    walk : QueueWalk
        The order in which N leads from one nucleus to the next.
    told : Signal
        A line for the person.
    helped : Signal
        The list of keys is asked for.
    """

    told = Signal(str)
    helped = Signal()

    def __init__(self, bridge: Bridge, viewer: Viewer) -> None:
        self.bridge = bridge
        self._viewer = weakref.ref(viewer)  # a session that held it would keep it alive
        self.gestures = Gestures(bridge.layer, Preview(viewer))
        self.walk = QueueWalk()
        self.prompts: Prompts | None = None
        self.gestures.clicked.connect(self._on_click)
        self.gestures.encircled.connect(self._on_lasso)
        self.gestures.tool_changed.connect(self._on_tool)
        bridge.went_back.connect(self._on_went_back)

    def close(self) -> None:
        """Let the layer go."""
        if self.prompts is not None:
            self.prompts.close()
        self.bridge.went_back.disconnect(self._on_went_back)
        self.walk.close()
        self.gestures.close()

    @property
    def review(self) -> Review:
        """The review of the plane in view."""
        return self.bridge.review

    @property
    def targets(self) -> tuple[int, ...]:
        """Ids of the nuclei that an action is about."""
        if self.review.selection:
            return self.review.selection
        under = self._at(self.gestures.cursor)
        return () if under is None else (under,)

    def _at(self, point: Point | None) -> int | None:
        if point is None:
            return None
        found = self.review.nuclei.at(round(point[0]), round(point[1]))
        return None if found is None else found.id

    # -- edits ------------------------------------------------------------------------

    def do(self, make: Callable[[Nuclei], Edit]) -> bool:
        """Do the edit that `make` returns for the present nuclei; say why if it is refused."""
        return self.bridge.attempt(lambda: self.review.do(make(self.review.nuclei)))

    def _decide(self, make: Callable[[Nuclei, Sequence[int]], Edit]) -> None:
        """Do something to the targets, and go on if they are where N has led."""
        targets = self.targets
        led = targets == (self.walk.current,)
        if self.do(lambda nuclei: make(nuclei, targets)):
            if led:
                self.go(1)
            else:
                self.review.select(())

    def accept(self) -> None:
        """Accept nuclei as they are."""
        if self.walk.agree(self.targets):
            self.go(1)
        else:
            self._decide(edits.accept)

    def reject(self) -> None:
        """Say that these are no nuclei."""
        self._decide(edits.reject)

    def delete(self) -> None:
        """Delete nuclei."""
        self._decide(edits.delete)

    def join(self) -> None:
        """Join the selected nuclei into one; without, take the tool that joins along a line."""
        chosen = self.review.selection
        if len(chosen) < 2:
            hint = "Draw a line through the parts of a nucleus."
            self.gestures.take(Tool("join", "line", self._on_join, hint))
        elif self.do(lambda nuclei: edits.merge(nuclei, chosen)):
            self.review.select(chosen[:1])

    def _on_join(self, line: list[Point]) -> None:
        ids = list(dict.fromkeys(self._crossed(line)))
        if len(ids) < 2:
            self.told.emit("The line crosses no two nuclei: draw it from one into the other.")
        else:
            self.do(lambda nuclei: edits.merge(nuclei, ids))

    def reshape(self, make: Callable[[Nuclei, Sequence[int]], Edit]) -> None:
        """Change the outlines of the targets."""
        targets = self.targets
        self.do(lambda nuclei: make(nuclei, targets))

    def accept_above(self, score: float) -> None:
        """Accept all proposals from a score on."""
        self.do(lambda nuclei: edits.accept_above(nuclei, score))

    def note(self, text: str) -> None:
        """Put a remark on the targets."""
        targets = self.targets
        self.do(lambda nuclei: edits.note(nuclei, targets, text))

    def complete(self, done: bool = True) -> None:
        """Mark the whole image complete, or take that back."""
        self.do(edits.mark_complete if done else edits.unmark)

    # -- tools ------------------------------------------------------------------------

    def split(self) -> None:
        """Take the tool that splits along a line in hand."""
        self.gestures.take(
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

    def seeds(self) -> None:
        """Take the tool that splits by clicks in hand: one seed in each part, then Enter."""
        points: list[Point] = []

        def on_click(clicked: list[Point]) -> None:
            points.extend(clicked)
            id = self._at(points[0])
            if len(points) > 1 and id is not None:
                self.do(lambda nuclei: edits.split_by_seeds(nuclei, id, points))
            if len(points) > 1 or id is None:
                points.clear()

        hint = "Click once in each of the two parts of a nucleus."
        self.gestures.take(Tool("split by seeds", "click", on_click, hint))

    def complete_area(self) -> None:
        """Take the tool that marks an area complete in hand."""

        def on_box(corners: list[Point]) -> None:
            (y0, x0), (y1, x1) = corners
            ys, xs = sorted((round(y0), round(y1))), sorted((round(x0), round(x1)))
            self.do(lambda n: edits.mark_complete(n, (ys[0], xs[0], ys[1] + 1, xs[1] + 1)))

        hint = "Draw a box around an area in which nothing is missing."
        self.gestures.take(Tool("mark complete", "box", on_box, hint))

    def escape(self) -> None:
        """Put the tool down; without one, end what napari's tool has begun and select nothing."""
        if self.gestures.tool is not None:
            self.gestures.drop()
            return
        if self.prompts is not None and self.prompts.kind is not None:
            self.prompts.drop_kind()
            return
        self.bridge.layer.give_up()
        self.review.select(())

    def _on_tool(self, tool: Tool | None) -> None:
        self.told.emit(f"{tool.hint} {filled('{escape}')} puts the tool down." if tool else "")

    # -- selection and the walk -------------------------------------------------------

    def _on_click(self, point: Point, adds: bool) -> None:
        id = self._at(point)
        chosen = self.review.selection
        if id is None:
            self.review.select(chosen if adds else ())
        elif adds:
            self.review.select([i for i in chosen if i != id] if id in chosen else [*chosen, id])
        else:
            self.choose(id)

    def _on_lasso(self, points: list[Point]) -> None:
        area = shaping.polygon(points, self.review.nuclei.shape)
        near = self.review.nuclei.in_box(area.box) if area else []
        shown = [n for n in near if self.review.nuclei.is_shown(n)]
        inside = [n.id for n in shown if 2 * area.overlap(n.mask) > n.mask.area]
        self.review.select([*self.review.selection, *sorted(inside)])

    def choose(self, id: int) -> None:
        """Select one nucleus, which the brush then works on."""
        self.review.select([id])
        self.bridge.layer.selected_label = id

    def next(self) -> None:
        """Go to the next nucleus."""
        self.go(1)

    def previous(self) -> None:
        """Go back to the nucleus before."""
        self.go(-1)

    def go(self, step: int) -> None:
        """Go along the walk: select the next nucleus and look at it."""
        id = self.walk.go(self.review, step)
        if id is None:
            self.review.select(())
            self.told.emit(self.walk.end if len(self.review.nuclei) else Walk.none)
            return
        self.choose(id)
        self._show_hidden(id)
        viewer = self._viewer()
        if viewer is not None:
            look_at(viewer, self.bridge.layer, self.review.nuclei[id].mask.box)
        self.told.emit(self.walk.words(self.review.nuclei, self.review.counts.remaining))

    def _on_went_back(self, boxes: list[Box]) -> None:
        viewer = self._viewer()
        if viewer is not None:
            bring_into_view(viewer, self.bridge.layer, boxes)

    def _show_hidden(self, id: int) -> None:
        """Outline a candidate below the threshold, which the layer does not show."""
        nuclei = self.review.nuclei
        if nuclei.is_shown(nuclei[id]):
            self.gestures.preview.clear()
        else:
            rings = outlines.trace([nuclei[id].mask])
            # The middles of pixels are whole numbers for napari.
            ring = [(float(y) - 0.5, float(x) - 0.5) for x, y in rings.points[: rings.sizes[0]]]
            self.gestures.preview.show(ring, "outline", self.bridge.layer)

    def show_keys(self) -> None:
        """Ask for the list of keys."""
        self.helped.emit()


def _dense(line: Sequence[Point]) -> list[Point]:
    """Return points of a polyline about a px apart."""
    out: list[Point] = []
    for (y0, x0), (y1, x1) in pairwise(line):
        steps = max(1, round(max(abs(y1 - y0), abs(x1 - x0))))
        out += [(y0 + (y1 - y0) * k / steps, x0 + (x1 - x0) * k / steps) for k in range(steps)]
    return [*out, *line[-1:]]
