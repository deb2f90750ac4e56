"""`Gestures`: what the mouse does on a review layer besides napari's own tools.

Here: clicks that select, the lasso, and tools that take a line or a box from the next drags.
Not here: what is done with them (`actions.py`), the picture of a drag (`preview.py`).

With the shift key a click adds to the selection and a drag is a lasso, whatever tool of napari
is on. Without it a plain click selects, where napari's tool is pan and zoom.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Labels
from psygnal import Signal

from .pane import to_image
from .preview import Preview

Point = tuple[float, float]
"""y and x in px of the image; whole numbers are the middles of pixels."""

STILL = 3.0
"""Px of the screen within which a press and its release are a click."""


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

    Attributes
    ----------
    cursor : Point or None
        Where the mouse is over the image; None as long as it has not been there.
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

    def __init__(self, layer: Labels, preview: Preview) -> None:
        self.layer = layer
        self.preview = preview
        self.cursor: Point | None = None
        self.tool: Tool | None = None
        self._mode = "pan_zoom"
        self._changing = False
        layer.mouse_drag_callbacks.insert(0, self._on_drag)
        layer.mouse_move_callbacks.append(self._on_move)
        layer.events.mode.connect(self._on_mode)

    def close(self) -> None:
        """Leave the layer alone."""
        self.drop()
        self.layer.mouse_drag_callbacks.remove(self._on_drag)
        self.layer.mouse_move_callbacks.remove(self._on_move)
        self.layer.events.mode.disconnect(self._on_mode)

    # -- tools ------------------------------------------------------------------------

    def take(self, tool: Tool) -> None:
        """Take a tool in hand; taking the same one again puts it down."""
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

    def _point(self, event: Any) -> Point:
        y, x = to_image(self.layer, event.position)[-2:]
        return float(y), float(x)

    def _on_move(self, layer: Labels, event: Any) -> None:
        self.cursor = self._point(event)

    def _on_drag(self, layer: Labels, event: Any) -> Iterator[None]:
        adds = "Shift" in event.modifiers
        shape = self._shape(adds, str(layer.mode)) if event.button == 1 else ""
        if not shape:
            return
        start, points = np.array(event.pos), [self._point(event)]
        ours = adds or self.tool is not None
        pan = layer.mouse_pan
        self._hold(layer, ours)
        try:
            yield
            far = False
            while event.type == "mouse_move":
                self.cursor = self._point(event)
                points.append(self.cursor)
                far = far or float(np.abs(np.array(event.pos) - start).max()) > STILL
                if ours and far:
                    self.preview.show(_outline(shape, points), shape, layer)
                yield
        finally:
            if ours:
                layer.suspended = False
                layer.mouse_pan = pan
                self.preview.clear()
        self._finish(shape, points, far, adds)

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
            if self.tool.shape == "click" and not far:
                self.tool.done(points[:1])
            elif self.tool.shape != "click" and far:
                self.tool.done(_reduced(shape, points))
        elif not far:
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
