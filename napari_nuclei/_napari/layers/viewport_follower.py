"""`ViewportFollower`: the pane of a large image's review layer goes where the camera looks."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer

from ...masks.box import Box
from .camera import camera_of, view_box
from .overview import Overview

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from .bridge import Bridge

MAX_SIDE = 4096
"""Longest side of a pane in px."""

GRID = 256
"""Sides of a pane are multiples of it, so that small moves lead to the same one."""

EVERY_MS = 60
"""How long the camera may have moved before the pane follows."""

MIDDLE = (
    f"Zoomed far out: only the middle of the view, {MAX_SIDE:,} px across, can be edited. Zoom in "
    "to edit everything in view."
)


class ViewportFollower:
    """Moves the pane of one review layer.

    It waits while the mouse is held, since a stroke under way is in px of the layer.

    Parameters
    ----------
    bridge : Bridge
        Of a review layer that holds a part of its planes.
    tell : callable
        Gets a line for the person.
    """

    def __init__(self, bridge: Bridge, viewer: Viewer, tell: Callable[[str], None]) -> None:
        self._bridge, self._viewer, self._tell = bridge, weakref.ref(viewer), tell
        self._held = False
        self._partial = False
        self.overview = Overview(bridge, viewer)
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.follow)
        camera, canvas = camera_of(viewer), getattr(viewer, "canvas", None)
        self._events = [camera.events.center, camera.events.zoom]
        self._events += [canvas.events.size] if canvas is not None else []
        for event in self._events:
            event.connect(self._on_view)
        bridge.layer.mouse_drag_callbacks.insert(0, self._on_drag)
        self.follow()

    def close(self) -> None:
        """Leave the layer alone."""
        self._timer.stop()
        self.overview.hide()
        for event in self._events:
            event.disconnect(self._on_view)
        self._bridge.layer.mouse_drag_callbacks.remove(self._on_drag)

    def follow(self) -> None:
        """Hold what the camera looks at, if it is not held yet."""
        self._timer.stop()
        viewer = self._viewer()
        if viewer is None or viewer.dims.ndisplay != 2:
            return
        if self._held:
            self._timer.start(EVERY_MS)
            return
        layer, viewport = self._bridge.layer, self._bridge.viewport
        view = view_box(viewer, layer)
        core = _core(view, (viewport.whole[-2], viewport.whole[-1]))
        if core is None:
            return
        # A polygon under way is in px of the layer too: it goes on as long as it can.
        waits = str(layer.mode) == "polygon" and _holds_middle(viewport.box, core)
        if not _holds(viewport.box, core) and not waits:
            self._bridge.move(_around(core, (viewport.whole[-2], viewport.whole[-1])))
        partial = max(view[2] - view[0], view[3] - view[1]) > MAX_SIDE
        if partial and not self._partial:
            self._tell(MIDDLE)
            self.overview.show()
        elif not partial:
            self.overview.hide()
        self._partial = partial

    def _on_view(self, event: Any = None) -> None:
        if not self._timer.isActive():
            self._timer.start(EVERY_MS)

    def _on_drag(self, layer: Any, event: Any) -> Iterator[None]:
        self._held = True
        try:
            yield
            while event.type == "mouse_move":
                yield
        finally:
            self._held = False


def _core(view: Box, shape: tuple[int, int]) -> Box | None:
    """Return what must be held of a view: all, or the middle; None if it is off the image."""
    rows = _middle(view[0], view[2], shape[0])
    cols = _middle(view[1], view[3], shape[1])
    return (rows[0], cols[0], rows[1], cols[1]) if rows and cols else None


def _middle(low: int, high: int, length: int) -> tuple[int, int] | None:
    low, high = max(low, 0), min(high, length)
    if low >= high:
        return None
    cut = max(0, high - low - MAX_SIDE * 3 // 4)
    return low + cut // 2, high - (cut - cut // 2)


def _around(core: Box, shape: tuple[int, int]) -> Box:
    """Return a pane with room to move around what must be held."""
    rows = _roomy(core[0], core[2], shape[0])
    cols = _roomy(core[1], core[3], shape[1])
    return rows[0], cols[0], rows[1], cols[1]


def _roomy(low: int, high: int, length: int) -> tuple[int, int]:
    room = min(max(GRID, (high - low) // 2), (MAX_SIDE - (high - low)) // 2 - GRID)
    low, high = (low - room) // GRID * GRID, -(-(high + room) // GRID) * GRID
    return max(low, 0), min(high, length)


def _holds(box: Box, inner: Box) -> bool:
    first = box[0] <= inner[0] and box[1] <= inner[1]
    return first and inner[2] <= box[2] and inner[3] <= box[3]


def _holds_middle(box: Box, core: Box) -> bool:
    y, x = (core[0] + core[2]) // 2, (core[1] + core[3]) // 2
    return box[0] <= y < box[2] and box[1] <= x < box[3]
