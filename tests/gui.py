"""What the GUI tests share: an engine without torch, masks, real mouse and keys on the canvas."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QOpenGLWidget, QWidget

from napari_nuclei._napari.layers.bridge import Bridge
from napari_nuclei._napari.layers.camera import camera_of
from napari_nuclei._napari.widget import NucleiWidget
from napari_nuclei.masks import Mask
from napari_nuclei.models.card import Card
from napari_nuclei.nuclei import labels
from napari_nuclei.progress import Progress

CARD = Card(
    name="fake",
    architecture={"detector": "fake"},
    diameter=20,
    threshold=0.5,
    licence="BSD-3-Clause",
    data="nothing",
    scores={"nothing": {"f1_50": 0.815}},
)


def disk(y: int, x: int, radius: int, shape: tuple[int, int] = (60, 80)) -> Mask:
    """A round mask, clipped to an image."""
    ys, xs = np.ogrid[: shape[0], : shape[1]]
    return Mask.from_array((ys - y) ** 2 + (xs - x) ** 2 <= radius**2)


FOUND = [
    (disk(20, 20, 10), 0.9),
    (disk(24, 32, 9), 0.8),  # overlaps the first, below it
    (disk(45, 60, 8), 0.6),
    (disk(45, 20, 6), 0.3),
]
"""What the fake engine finds: three above its threshold, one below."""


class FakeEngine:
    """Finds what it is told, in as many steps as it is told, and remembers what it was asked."""

    def __init__(self, found: Sequence[tuple[Mask, float]] = FOUND, steps: int = 3) -> None:
        self.found = list(found)
        self.steps = steps
        self.error: Exception | None = None
        self.asked: list[SimpleNamespace] = []
        self.released = 0
        self.arrive = False  # whether nuclei come while the rest is being looked for
        self.gate = threading.Event()
        self.gate.set()
        self.closed = threading.Event()

    def cards(self) -> list[Card]:
        return [CARD]

    def devices(self) -> list[str]:
        return ["auto", "cpu"]

    def release(self) -> None:
        self.released += 1

    def segment(
        self, image: Any, model: str, device: str, diameter: float | None, area: Any = None
    ) -> Generator[Progress, None, Any]:
        self.asked.append(
            SimpleNamespace(image=image, model=model, device=device, diameter=diameter, area=area)
        )
        try:
            for step in range(self.steps):
                new = self.found if step == 1 and self.arrive else None
                yield Progress(step, self.steps, "Segmenting", new)
                while not self.gate.wait(0.02):
                    yield Progress(step, self.steps, "Waiting")
            if self.error is not None:
                raise self.error
            return SimpleNamespace(found=self.found, diameter=diameter or 18.5)
        finally:
            self.closed.set()


def in_step(bridge: Bridge) -> bool:
    """Whether the layer shows exactly what its nuclei are, on each plane and on the canvas."""
    data = bridge.layer.data
    drawn = np.zeros(data.shape, np.int32)
    for plane, review in bridge.record.reviews.items():
        drawn[plane] = labels.draw(review.nuclei)
    return bool((data == drawn).all())


# -- the real window ----------------------------------------------------------------------


class Hand:
    """A mouse and a keyboard on the canvas of a viewer that is shown on a screen."""

    widget: Any = None

    def __init__(self, viewer: Any, bridge: Bridge) -> None:
        self.viewer = viewer
        self.bridge = bridge
        self.canvas = canvas_of(viewer.window._qt_window)
        settle()

    def at(self, y: float, x: float) -> QPoint:
        """The point of the canvas at which a pixel of the layer's plane in view is seen."""
        world = self.bridge.layer.data_to_world((*self.bridge.plane, y, x))[-2:]
        camera = camera_of(self.viewer)
        size = self.canvas.size()
        px = (world[1] - camera.center[-1]) * camera.zoom + size.width() / 2
        py = (world[0] - camera.center[-2]) * camera.zoom + size.height() / 2
        return QPoint(round(px), round(py))

    modifiers = Qt.KeyboardModifier.NoModifier
    """Keys that are held down with the mouse."""

    def _send(
        self, kind: QEvent.Type, point: QPoint, button: Qt.MouseButton, held: Qt.MouseButton
    ) -> None:
        where = QPointF(point)
        event = QMouseEvent(
            kind,
            where,
            QPointF(self.canvas.mapToGlobal(point)),
            button,
            held,
            self.modifiers,
        )
        QApplication.sendEvent(self.canvas, event)
        settle()

    def move(self, y: float, x: float, held: Any = Qt.MouseButton.NoButton) -> None:
        time.sleep(0.012)  # vispy drops moves that follow each other faster
        self._send(QEvent.Type.MouseMove, self.at(y, x), Qt.MouseButton.NoButton, held)

    def press(self, y: float, x: float, button: Any = Qt.MouseButton.LeftButton) -> None:
        self.move(y, x)
        self._send(QEvent.Type.MouseButtonPress, self.at(y, x), button, button)

    def release(self, y: float, x: float, button: Any = Qt.MouseButton.LeftButton) -> None:
        none = Qt.MouseButton.NoButton
        self._send(QEvent.Type.MouseButtonRelease, self.at(y, x), button, none)

    def click(self, y: float, x: float, button: Any = Qt.MouseButton.LeftButton) -> None:
        self.press(y, x, button)
        self.release(y, x, button)

    def double_click(self, y: float, x: float) -> None:
        left = Qt.MouseButton.LeftButton
        self.click(y, x)
        self._send(QEvent.Type.MouseButtonDblClick, self.at(y, x), left, left)
        self.release(y, x)

    def drag(self, *points: tuple[float, float]) -> None:
        """Press at the first point, move along the others, let go at the last."""
        self.press(*points[0])
        for point in points[1:]:
            self.move(*point, held=Qt.MouseButton.LeftButton)
        self.release(*points[-1])

    @contextmanager
    def shift(self) -> Iterator[None]:
        """Hold the shift key down."""
        self.modifiers = Qt.KeyboardModifier.ShiftModifier
        try:
            yield
        finally:
            self.modifiers = Qt.KeyboardModifier.NoModifier

    def encircle(self, *points: tuple[float, float]) -> None:
        """Click the right button at the first point, and move along the others."""
        self.click(*points[0], button=Qt.MouseButton.RightButton)
        for point in points[1:]:
            self.move(*point)

    def key(self, key: Any, modifier: Any = Qt.KeyboardModifier.NoModifier) -> None:
        self.canvas.setFocus()
        QTest.keyClick(self.canvas, key, modifier)
        settle()

    def undo(self) -> None:
        self.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)

    def redo(self) -> None:
        modifier = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
        self.key(Qt.Key.Key_Z, modifier)


def window_with_nuclei(
    make_viewer: Any, qtbot: Any, pixels: Any = None, engine: Any = None, **place: Any
) -> Hand:
    """A window with an image, segmented by the widget, and a hand on its canvas."""
    viewer = make_viewer(show=True)
    viewer.window._qt_window.resize(1100, 760)
    image = np.zeros((60, 80), np.uint8) if pixels is None else pixels
    viewer.add_image(image, name="cells", **place)
    widget = NucleiWidget(viewer, engine or FakeEngine())
    viewer.window.add_dock_widget(widget, name="Nuclei")
    with qtbot.waitSignal(widget.segmenting.runner.succeeded, timeout=60_000):
        widget.segment()
    viewer.reset_view()
    hand = Hand(viewer, widget.bridge)
    hand.widget = widget
    hand.bridge.layer.brush_size = 4
    return hand


def canvas_of(window: QWidget) -> QWidget:
    """The widget on which napari draws."""
    return next(w for w in window.findChildren(QOpenGLWidget) if w.isVisible())


def settle() -> None:
    """Let Qt do what is waiting."""
    for _ in range(3):
        QApplication.processEvents()
