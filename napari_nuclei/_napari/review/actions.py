"""`Actions`: what keys, buttons and gestures do to the nuclei of a review layer."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from psygnal import Signal

from ...masks import outlines, shaping
from ...nuclei import Nuclei, edits
from ...nuclei.edits import Edit
from ...triage.walk import ScoreWalk
from ..layers.bridge import Bridge
from ..layers.camera import bring_into_view, look_at
from ..layers.gestures import Gestures, Point, Tool
from ..layers.in_view import needs_view, why_not
from ..layers.keys import filled
from ..layers.preview import Preview
from .drawn_tools import DrawnTools
from .navigator import QueueWalk

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from ...review import Review


class Actions(DrawnTools):
    """What a person does to the nuclei of one review layer.

    Parameters
    ----------
    bridge : Bridge
        Of the review layer.
    viewer : Viewer
        That it is in.
    pointer : callable
        Returns where the mouse is in the world; None as long as it has not been there.

    Attributes
    ----------
    walk : QueueWalk
        The order in which N leads from one nucleus to the next.
    cancels : list of callable
        What Escape ends next once no tool is in hand: each returns whether it had anything to end.
    helped : Signal
        The list of keys is asked for.
    """

    helped = Signal()

    def __init__(
        self, bridge: Bridge, viewer: Viewer, pointer: Callable[[], Sequence[float] | None]
    ) -> None:
        self.bridge = bridge
        self._viewer = weakref.ref(viewer)  # a session that held it would keep it alive
        bridge.in_view = self.in_view
        self._refused = False
        self.gestures = Gestures(bridge.layer, Preview(viewer), pointer, self.in_view)
        self.walk = QueueWalk()
        self.cancels: list[Callable[[], bool]] = []
        self.gestures.clicked.connect(self._on_click)
        self.gestures.encircled.connect(self._on_lasso)
        self.gestures.tool_changed.connect(self._on_tool)
        bridge.went_back.connect(self._on_went_back)

    def close(self) -> None:
        """Let the layer go."""
        self.bridge.went_back.disconnect(self._on_went_back)
        self.bridge.in_view = lambda: True
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

    def activate(self) -> None:
        """Have napari's keys and tools work here too: the person has used a button of ours."""
        viewer = self._viewer()
        if viewer is not None:
            viewer.layers.selection.active = self.bridge.layer

    def in_view(self) -> bool:
        """Whether the plane is in view; says why nothing can be done where it is not."""
        words = why_not(self._viewer(), self.bridge.layer)
        self._refused = bool(words)
        if words:
            self.told.emit(words)
        return not words

    def look_again(self) -> None:
        """Take back what was said of a plane that was not in view, if it is now."""
        if self._refused and not why_not(self._viewer(), self.bridge.layer):
            self._refused = False
            self.told.emit("")

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

    @needs_view
    def accept(self) -> None:
        """Accept nuclei as they are."""
        if self.walk.agree(self.targets):
            self.go(1)
        else:
            self._decide(edits.accept)

    @needs_view
    def reject(self) -> None:
        """Say that these are no nuclei."""
        self._decide(edits.reject)

    @needs_view
    def delete(self) -> None:
        """Delete nuclei."""
        self._decide(edits.delete)

    @needs_view
    def join(self) -> None:
        """Join the selected nuclei into one; without, take the tool that joins along a line."""
        chosen = self.review.selection
        if len(chosen) < 2:
            self.activate_join()
        elif self.do(lambda nuclei: edits.merge(nuclei, chosen)):
            self.review.select(chosen[:1])

    @needs_view
    def reshape(self, make: Callable[[Nuclei, Sequence[int]], Edit]) -> None:
        """Change the outlines of the targets."""
        targets = self.targets
        self.do(lambda nuclei: make(nuclei, targets))

    @needs_view
    def accept_above(self, score: float) -> None:
        """Accept all proposals from a score on."""
        self.do(lambda nuclei: edits.accept_above(nuclei, score))

    @needs_view
    def note(self, text: str, targets: Sequence[int]) -> None:
        """Put a remark on nuclei."""
        self.do(lambda nuclei: edits.note(nuclei, targets, text))

    @needs_view
    def complete(self, done: bool = True) -> None:
        """Mark the whole image complete, or take that back."""
        self.do(edits.mark_complete if done else edits.unmark)

    # -- tools ------------------------------------------------------------------------

    def escape(self) -> None:
        """Put the tool down; without one, end what napari's tool has begun and select nothing."""
        if self.gestures.tool is not None:
            self.gestures.drop()
            return
        if any(cancel() for cancel in self.cancels):
            return
        self.bridge.give_up()
        self.review.select(())

    def _on_tool(self, tool: Tool | None) -> None:
        self.told.emit(f"{tool.hint} {filled('{escape}')} leaves the tool." if tool else "")

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

    @needs_view
    def go(self, step: int) -> None:
        """Go along the walk: select the next nucleus and look at it."""
        id = self.walk.go(self.review, step)
        if id is None:
            self.review.select(())
            self.told.emit(self.walk.end if len(self.review.nuclei) else ScoreWalk.none)
            return
        self.choose(id)
        self._show_hidden(id)
        viewer = self._viewer()
        if viewer is not None:
            look_at(viewer, self.bridge.layer, self.review.nuclei[id].mask.box)
        self.told.emit(self.walk.summary(self.review.nuclei, self.review.counts.remaining))

    def _on_went_back(self, edit: Edit | None, word: str) -> None:
        """Go where something was undone or done again, and say what."""
        viewer = self._viewer()
        if edit is None:
            here = "in this plane" if self.bridge.record.stack else "here"
            self.told.emit(f"Nothing to {word.removesuffix('ne')} {here}.")
            return
        if viewer is not None and edit.boxes:
            bring_into_view(viewer, self.bridge.layer, edit.boxes)
        self.told.emit(f"{word.capitalize()}: {edit.summary()}.")

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
