"""A person's mouse and keyboard for `first_run.py`, and a count of what arrives in the windows.

Here: clicking what has given words, typing, dragging on the canvas. All of it goes to Qt's
windows, as what the window system sends does, never to widgets: what is hidden, disabled or
without the focus is not reached. Not here: what is done (`first_run.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from qtpy.QtCore import QEvent, QObject, QPoint, Qt
from qtpy.QtGui import QWindow
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QApplication,
    QDialog,
    QMenu,
    QMenuBar,
    QOpenGLWidget,
    QPushButton,
    QScrollArea,
    QWidget,
)

from napari_nuclei._napari.layers.camera import camera_of

W = TypeVar("W", bound=QWidget)
LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


def wait(until: Callable[[], bool], seconds: float = 300) -> None:
    """Let the window work until something holds."""
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            raise SystemExit("gave up waiting")
        QApplication.processEvents()
        time.sleep(0.005)


def pause(seconds: float = 0.15) -> None:
    """Let the window settle, as a person's hand does."""
    end = time.monotonic() + seconds
    wait(lambda: time.monotonic() > end)


class Counter(QObject):
    """Counts the presses that arrive in windows.

    Attributes
    ----------
    clicks, keys : int
        Presses of a mouse button, and of a key.
    """

    def __init__(self) -> None:
        super().__init__()
        self.clicks = self.keys = 0
        QApplication.instance().installEventFilter(self)

    @property
    def total(self) -> int:
        """Both."""
        return self.clicks + self.keys

    def stop(self) -> None:
        """Count no more."""
        QApplication.instance().removeEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Count; widgets get the same events once more, so only those of windows count."""
        if isinstance(watched, QWindow):
            kind = event.type()
            self.clicks += kind == QEvent.Type.MouseButtonPress
            self.keys += kind == QEvent.Type.KeyPress
        return False


class User:
    """Somebody in front of a main window."""

    def __init__(self, window: Any) -> None:
        self.window = window

    # -- finding ----------------------------------------------------------------------

    def find(self, kind: type[W]) -> W:
        """Return the one widget of a kind."""
        found: W = self.window.findChild(kind)
        return found

    def dialog(self, kind: type[QDialog]) -> Any:
        """Return the dialog that waits for an answer, if it is of a kind."""
        modal = QApplication.activeModalWidget()
        return modal if isinstance(modal, kind) and modal.isVisible() else None

    # -- mouse ------------------------------------------------------------------------

    def click(self, widget: QWidget, place: QPoint | None = None) -> None:
        """Click on a widget where it is seen."""
        window = widget.window()
        place = place if place is not None else widget.rect().center()
        if not widget.isVisible() or widget.visibleRegion().isEmpty():
            raise SystemExit(f"cannot be seen: {widget}")
        QTest.mouseClick(window.windowHandle(), LEFT, NONE, widget.mapTo(window, place))
        pause()

    def button(self, text: str) -> None:
        """Click a button by its words, in the dialog that is open or the main window."""
        place = QApplication.activeModalWidget() or self.window
        found = [
            b
            for b in place.findChildren(QPushButton)
            if b.text().replace("&", "") == text and b.isVisible()
        ]
        if len(found) != 1 or not found[0].isEnabled():
            raise SystemExit(f"{len(found)} buttons say {text!r}, one that works is wanted")
        area = next(
            (a for a in self.window.findChildren(QScrollArea) if a.isAncestorOf(found[0])), None
        )
        if area is not None and found[0].visibleRegion().isEmpty():
            raise SystemExit(f"{text!r} is there only after scrolling")
        self.click(found[0])

    def menu(self, *words: str, seen: Callable[[str], None] = lambda name: None) -> None:
        """Choose an entry of a menu, one click for each of its levels."""
        place: Any = self.window.findChild(QMenuBar)
        for word in words:
            action = next(
                (
                    a
                    for a in place.actions()
                    if a.text().replace("&&", "\0").replace("&", "").replace("\0", "&") == word
                ),
                None,
            )
            if action is None or not action.isVisible():
                raise SystemExit(f"no entry {word!r} in a menu")
            if word == words[-1]:
                seen(f"menu {words[0]}")
            self.click(place, place.actionGeometry(action).center())
            if word != words[-1]:
                menu: QMenu = action.menu()
                wait(menu.isVisible)
                place = menu

    def drag(
        self, viewer: Any, bridge: Any, first: tuple[float, float], last: tuple[float, float]
    ) -> None:
        """Press at one pixel of the layer in view, let go at another."""
        canvas = next(w for w in self.window.findChildren(QOpenGLWidget) if w.isVisible())
        handle = self.window.windowHandle()
        ways = [
            tuple(a + (b - a) * k / 5 for a, b in zip(first, last, strict=True)) for k in range(6)
        ]
        points = [canvas.mapTo(self.window, self._at(canvas, viewer, bridge, *way)) for way in ways]
        inside = canvas.rect().translated(canvas.mapTo(self.window, QPoint(0, 0)))
        if not all(inside.contains(p) for p in points):
            raise SystemExit("the nucleus is not in view")
        QTest.mouseMove(handle, points[0])
        time.sleep(0.02)  # vispy drops moves that follow each other faster
        QTest.mousePress(handle, LEFT, NONE, points[0])
        for point in points[1:]:
            time.sleep(0.02)
            QTest.mouseMove(handle, point)
        QTest.mouseRelease(handle, LEFT, NONE, points[-1])
        pause()

    @staticmethod
    def _at(canvas: QWidget, viewer: Any, bridge: Any, y: float, x: float) -> QPoint:
        """The point of the canvas at which a pixel of the layer is seen."""
        world = bridge.layer.data_to_world((*bridge.plane, y, x))[-2:]
        camera = camera_of(viewer)
        px = (world[1] - camera.center[-1]) * camera.zoom + canvas.width() / 2
        py = (world[0] - camera.center[-2]) * camera.zoom + canvas.height() / 2
        return QPoint(round(px), round(py))

    # -- keys -------------------------------------------------------------------------

    def key(self, key: Qt.Key) -> None:
        """Press a key; whatever has the focus gets it."""
        place = QApplication.activeModalWidget() or self.window
        QTest.keyClick(place.windowHandle(), key)
        pause()
