"""`Thumbnails`: small pictures of images, made on a thread as they come into view."""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict, deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QImage, QPixmap

from ...errors import UserError
from ...images.images import image_info
from ...images.large_files import is_read_in_parts
from ...images.large_image import WHOLE, LargeImage
from ...images.levels import normalize
from ...workspace.files import Item
from ..background.tasks import step_back
from .item_reading import read_plane

SIDE = 88
"""Longest side of a thumbnail in px of the screen; twice that of the list, for fine screens."""

MAX_THUMBNAILS = 2000
"""How many are kept; 31 kB each at most."""

WAITING = 60
"""How many wait at most: those that were scrolled past long ago are not made."""

LARGEST = 100_000_000
"""Pixels of an image above which none is made of it: reading it would take too long."""


class Thumbnails(QObject):
    """The thumbnails of some items. Signal: `made` (number)."""

    made = Signal(int)
    _drawn = Signal(int, int, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._items: Sequence[Item] = ()
        self._generation = 0
        self._pixmaps: OrderedDict[int, QPixmap | None] = OrderedDict()
        self._wishes: deque[int] = deque(maxlen=WAITING)
        self._lock = threading.Lock()
        self._running = False
        self._drawing: int | None = None
        self._drawn.connect(self._on_drawn, Qt.ConnectionType.QueuedConnection)

    def show(self, items: Sequence[Item]) -> None:
        """Make those of these items from now on."""
        with self._lock:
            self._generation += 1
            self._wishes.clear()
        self._items = items
        self._pixmaps.clear()

    def of(self, number: int) -> QPixmap | None:
        """Return a thumbnail if it is there; else have it made, the latest wish first."""
        if number in self._pixmaps:
            self._pixmaps.move_to_end(number)
            return self._pixmaps[number]
        with self._lock:
            if number == self._drawing:
                return None
            if number in self._wishes:
                self._wishes.remove(number)
            self._wishes.append(number)
            if not self._running:
                self._running = True
                threading.Thread(target=self._work, name="nuclei-thumbnails", daemon=True).start()
        return None

    def _work(self) -> None:
        step_back()
        while True:
            with self._lock:
                self._drawing = self._wishes.pop() if self._wishes else None
                if self._drawing is None:
                    self._running = False
                    return
                number, generation, items = self._drawing, self._generation, self._items
            picture = draw(items[number]) if number < len(items) else None
            with contextlib.suppress(RuntimeError):  # the window is gone
                self._drawn.emit(generation, number, picture)
                continue
            return

    def _on_drawn(self, generation: int, number: int, picture: QImage | None) -> None:
        if generation != self._generation:
            return
        self._pixmaps[number] = None if picture is None else QPixmap.fromImage(picture)
        if len(self._pixmaps) > MAX_THUMBNAILS:
            self._pixmaps.popitem(last=False)
        self.made.emit(number)


def draw(item: Item) -> QImage | None:
    """Draw the thumbnail of an item, of a stack that of its first plane; None if it cannot be."""
    try:
        info = image_info(item.path)
        plane = (0,) if info.planes > 1 and not item.plane else ()
        if info.height * info.width > LARGEST and not is_read_in_parts(item.path):
            return None
        pixels = read_plane(item, plane)
        if isinstance(pixels, LargeImage):
            coarsest = pixels.levels[-1]
            if coarsest.shape[0] * coarsest.shape[1] > WHOLE:
                return None
            pixels = pixels.read((0, 0, *coarsest.shape[:2]), -1)
        return _small(pixels)
    except (UserError, OSError):  # opening it tells why
        return None


def _small(pixels: NDArray[np.generic]) -> QImage:
    # A grid of pixels is enough to know an image by, and quick.
    step = max(1, max(pixels.shape[:2]) // (2 * SIDE))
    shown = np.clip(normalize(pixels[::step, ::step]), 0, 1)
    rgb = np.ascontiguousarray((shown * 255).astype(np.uint8))
    height, width = rgb.shape[:2]
    image = QImage(rgb.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
    return image.copy().scaled(
        SIDE,
        SIDE,
        Qt.AspectRatioMode.KeepAspectRatio,
        Qt.TransformationMode.SmoothTransformation,
    )
