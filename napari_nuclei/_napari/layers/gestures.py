"""`Gestures`: what the mouse does on a review layer besides napari's own tools.

With the shift key a click adds to the selection and a drag is a lasso, whatever tool of napari
is on. Without it a plain click selects, where napari's tool is pan and zoom.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Labels
from psygnal import Signal

from .preview import Preview
from .viewport import to_image

Point = tuple[float, float]
"""y and x in px of the image; whole numbers are the middles of pixels."""

STILL = 3.0
"""Px of the screen within which a press and its release are a click."""

UNSTEADY = 10.0
"""The same where a drag so short makes no sense: within it nobody draws a lasso."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that takes drags or clicks until another one is chosen.

    Attributes
    ----------
    name : str
        For a person.
    shape : str
        ``"line"``, ``"box"``, ``"lasso"`` or ``"click"``.
    done : callable
        Gets the points (y, x) of each drag: two corners of a box, one point of a click.
    hint : str
        What to do with it, in a line.
    """

    name: str
    shape: str
    done: Callable[[list[Point]], None]
    hint: str


class Gestures:
    """The mouse on one review layer.

    Parameters
    ----------
    layer : Labels
        A review layer.
    preview : Preview
        Draws what is being dragged.
    pointer : callable
        Returns where the mouse is in the world; None as long as it has not been there.
    in_view : callable
        Returns whether the layer's plane is in view, and says so where it is not.

    Attributes
    ----------
    clicked : Signal
        A click: its point, and whether it adds to what is selected.
    encircled : Signal
        A lasso: its points.
    tool_changed : Signal
        The tool in hand, or None.
    """

    clicked = Signal(tuple, bool)
    encircled = Signal(list)
    tool_changed = Signal(object)

    def __init__(
        self,
        layer: Labels,
        preview: Preview,
        pointer: Callable[[], Sequence[float] | None],
        in_view: Callable[[], bool],
    ) -> None:
        self.layer = layer
        self.preview = preview
        self._pointer, self._in_view = pointer, in_view
        self.tool: Tool | None = None
        self._mode = "pan_zoom"
        self._changing = False
        layer.mouse_drag_callbacks.insert(0, self._on_drag)
        layer.events.mode.connect(self._on_mode)

    def close(self) -> None:
        """Leave the layer alone."""
        self.drop()
        self.layer.mouse_drag_callbacks.remove(self._on_drag)
        self.layer.events.mode.disconnect(self._on_mode)

    # -- tools ------------------------------------------------------------------------

    def activate(self, tool: Tool) -> None:
        """Activate a tool; the active one again is dropped."""
        if self.tool is not None and self.tool.name == tool.name:
            self.drop()
            return
        if self.tool is None:
            self._mode = str(self.layer.mode)
        self.tool = tool
        self._set_mode("pan_zoom")
        self.layer.mouse_pan = False
        self.layer.cursor = "cross"
        self.tool_changed.emit(tool)

    def drop(self) -> None:
        """Put the tool down; napari's own tool is what it was before."""
        if self.tool is None:
            return
        self.layer.mouse_pan = True
        self.layer.cursor = "standard"
        self._set_mode(self._mode)
        self._forget()

    def _forget(self) -> None:
        self.tool = None
        self.preview.clear()
        self.tool_changed.emit(None)

    def _set_mode(self, mode: str) -> None:
        self._changing = True
        try:
            self.layer.mode = mode
        finally:
            self._changing = False

    def _on_mode(self, event: Any = None) -> None:
        if self.tool is not None and not self._changing:  # the person chose one of napari's
            self._forget()

    # -- mouse ------------------------------------------------------------------------

    @property
    def cursor(self) -> Point | None:
        """Where the mouse is over the image; None as long as it has not been there."""
        at = self._pointer()
        return None if at is None else self._point(at)

    def _point(self, position: Sequence[float]) -> Point:
        y, x = to_image(self.layer, position)[-2:]
        return float(y), float(x)

    def _plane(self, position: Sequence[float]) -> list[int]:
        plane: list[int] = np.round(to_image(self.layer, position)[:-2]).astype(int).tolist()
        return plane

    def _on_drag(self, layer: Labels, event: Any) -> Iterator[None]:
        adds = "Shift" in event.modifiers
        shape = self._shape(adds, str(layer.mode)) if event.button == 1 else ""
        ours = adds or self.tool is not None
        if not shape or (ours and not self._in_view()):
            return
        start, points = np.array(event.pos), [self._point(event.position)]
        plane, pan, way = self._plane(event.position), layer.mouse_pan, 0.0
        still = UNSTEADY if shape == "lasso" else STILL
        self._hold(layer, ours)
        try:
            yield
            while event.type == "mouse_move":
                points.append(self._point(event.position))
                way = max(way, float(np.abs(np.array(event.pos) - start).max()))
                if ours and shape != "click" and way > still:
                    self.preview.show(_outline(shape, points), shape, layer)
                yield
        finally:
            if ours:
                layer.suspended = False
                layer.mouse_pan = pan
                self.preview.clear()
        if plane == self._plane(event.position):  # else another one has come into view
            self._finish(shape, points, way > still, adds)

    def _shape(self, adds: bool, mode: str) -> str:
        """Return what a press begins; empty where it is napari's business."""
        if self.tool is not None:
            return self.tool.shape
        if adds:
            return "" if mode == "polygon" else "lasso"
        return "click" if mode == "pan_zoom" else ""

    @staticmethod
    def _hold(layer: Any, ours: bool) -> None:
        if ours:
            layer.suspended = True
            layer.mouse_pan = False

    def _finish(self, shape: str, points: list[Point], far: bool, adds: bool) -> None:
        if self.tool is not None:
            if self.tool.shape == "click":  # where it was pressed: no hand is quite still
                self.tool.done(points[:1])
            elif far:
                self.tool.done(_reduced(shape, points))
            else:
                self.tool_changed.emit(self.tool)  # which says again what to draw
        elif not far:
            if adds or self._in_view():
                self.clicked.emit(points[0], adds)
        elif adds:
            self.encircled.emit(points)


def _outline(shape: str, points: list[Point]) -> list[Point]:
    if shape != "box":
        return points
    (y0, x0), (y1, x1) = points[0], points[-1]
    return [(y0, x0), (y0, x1), (y1, x1), (y1, x0)]


def _reduced(shape: str, points: list[Point]) -> list[Point]:
    return [points[0], points[-1]] if shape == "box" else points
