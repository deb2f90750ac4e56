"""`Hand`: what the person is doing just now, so that nothing from the background disturbs it."""

from __future__ import annotations

import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QTextEdit,
)

from ..layers.camera import camera_of

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from ..layers.bridge import Bridge

LOOK_MS = 40
"""How often it is looked whether a stroke has ended that something waits for."""

PAUSE = 5.0
"""Seconds after which an outline that goes on no more is waited for no longer."""


@dataclass(frozen=True, slots=True)
class _Pointer:
    """Where the mouse was seen in the world, by which axes, centre and zoom of the camera."""

    world: tuple[float, ...]
    displayed: tuple[int, ...]
    centre: tuple[float, float]
    zoom: float


class Hand:
    """The person's hand on one viewer, whose review layers are `bridges`."""

    def __init__(self, viewer: Viewer, bridges: Mapping[Any, Bridge]) -> None:
        self._viewer, self._bridges = weakref.ref(viewer), bridges
        self._held = False
        self._at: _Pointer | None = None
        self._waiting: deque[Callable[[], object]] = deque()
        self._timer = QTimer()
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self._look)
        viewer.mouse_drag_callbacks.append(self._on_drag)
        viewer.mouse_move_callbacks.append(self._on_move)
        viewer.events.mouse_over_canvas.connect(self._on_over)

    def close(self) -> None:
        """Drop what waits: the window is closing."""
        self._timer.stop()
        self._waiting.clear()

    @property
    def draws(self) -> bool:
        """Whether a button of the mouse is held on the canvas, or a stroke is under way."""
        viewer = self._viewer()
        bridge = None if viewer is None else self._bridges.get(viewer.layers.selection.active)
        if self._held or bridge is None:
            return self._held
        return time.monotonic() - bridge.stroke.painted < PAUSE  # encircles, with no button held

    def _on_drag(self, viewer: Any, event: Any) -> Iterator[None]:
        self._held = True
        self._on_move(viewer, event)
        try:
            yield
            while event.type == "mouse_move":
                self._on_move(viewer, event)
                yield
        finally:
            self._held = False

    # -- the mouse --------------------------------------------------------------------

    @property
    def position(self) -> tuple[float, ...] | None:
        """Where the mouse is in the world; None where it is not on the canvas.

        The camera may have moved below it since it was seen last, or the plane have changed.
        """
        viewer, at = self._viewer(), self._at
        if viewer is None or at is None or at.displayed != tuple(viewer.dims.displayed):
            return None
        camera, here = camera_of(viewer), list(viewer.dims.point)
        for axis, seen, now in zip(at.displayed[-2:], at.centre, camera.center[-2:], strict=True):
            here[axis] = now + (at.world[axis] - seen) * at.zoom / camera.zoom
        return tuple(float(x) for x in here)

    def _on_move(self, viewer: Any, event: Any) -> None:
        camera = camera_of(viewer)
        y, x = (float(c) for c in camera.center[-2:])
        displayed = tuple(viewer.dims.displayed)
        self._at = _Pointer(tuple(event.position), displayed, (y, x), float(camera.zoom))

    def _on_over(self, event: Any = None) -> None:
        viewer = self._viewer()
        if viewer is not None and not viewer.mouse_over_canvas:
            self._at = None

    # -- what waits -------------------------------------------------------------------

    def when_free(self, call: Callable[[], object]) -> None:
        """Call a function: now, or once a stroke under way is done; always in their order."""
        if not self._waiting and not self.draws:
            call()
            return
        self._waiting.append(call)
        self._timer.start()

    def _look(self) -> None:
        while self._waiting and not self.draws:
            self._waiting.popleft()()
        if not self._waiting:
            self._timer.stop()


class Whereabouts:
    """Where a person was when they set something going: the active layer, and the focus."""

    def __init__(self, viewer: Viewer) -> None:
        self._active = _reference(viewer.layers.selection.active)
        self._focus = _reference(QApplication.focusWidget())

    def are_those_of(self, viewer: Viewer) -> bool:
        """Whether they are still there; looking around on the canvas does not count."""
        focus = QApplication.focusWidget()
        on_canvas = focus is None or focus.inherits("QOpenGLWidget")
        return (
            viewer.layers.selection.active is self._active()
            and (on_canvas or focus is self._focus())
            and not is_typing()
        )


def _reference(thing: Any) -> Callable[[], Any]:
    return (lambda: None) if thing is None else weakref.ref(thing)


def is_typing() -> bool:
    """Whether a text box has the focus, or a menu, a list or a dialog is open."""
    focus = QApplication.focusWidget()
    if isinstance(focus, QComboBox) and focus.isEditable():
        return True
    if isinstance(focus, QLineEdit | QAbstractSpinBox | QTextEdit | QPlainTextEdit):
        return True
    return bool(QApplication.activePopupWidget() or QApplication.activeModalWidget())
