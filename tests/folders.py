"""A folder of small images, and a window with the widget on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from gui import FakeEngine, settle
from PIL import Image
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_nuclei._napari.folder.folder import Folder
from napari_nuclei._napari.widget import NucleiWidget

SHAPE = (60, 80)


def write_images(folder: Path, count: int, shape: tuple[int, int] = SHAPE) -> None:
    """Write gray images `cell1.png`, … whose pixels tell which one it is."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, count + 1):
        pixels = np.zeros(shape, np.uint8)
        pixels[10:30, 10:30] = 100 + number
        Image.fromarray(pixels).save(folder / f"cell{number}.png")


class Reviewer:
    """A person in front of a window with the widget."""

    def __init__(self, make_viewer: Callable[..., Any], qtbot: Any, show: bool = False) -> None:
        self.qtbot = qtbot
        self.viewer = make_viewer(show=show)
        self.engine = FakeEngine()
        self.widget = NucleiWidget(self.viewer, self.engine)
        self.viewer.window.add_dock_widget(self.widget, name="Nuclei")
        self.panel = self.widget.folder
        self.all = self.panel.all

    @property
    def folder(self) -> Folder:
        return self.panel.folder

    @property
    def image(self) -> str:
        """The name of the image in view."""
        assert self.folder.current is not None
        return self.folder.items[self.folder.current].path.name

    @property
    def path(self) -> Path | None:
        """What is open."""
        return None if self.folder.workspace is None else self.folder.workspace.path

    @property
    def review(self) -> Any:
        assert self.folder.bridge is not None
        return self.folder.bridge.review

    def wait(self, until: Callable[[], bool]) -> None:
        self.qtbot.waitUntil(until, timeout=20_000)

    def open(self, path: Path, images: Path | None = None) -> None:
        """Open a folder and wait for its first image."""
        self.panel.open(path, images)
        self.wait(lambda: self.is_there() and self.path == path)
        self.wait_for_counts()

    def is_there(self) -> bool:
        return self.folder.current is not None and self.folder.asked is None

    def wait_for_counts(self) -> None:
        numbers = range(len(self.folder.items))
        self.wait(lambda: all(self.folder.standings.of(n) is not None for n in numbers))

    def press(self, button: Any) -> None:
        """Click a button with the mouse."""
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)
        settle()

    def turn(self, button: Any) -> None:
        """Press Next or Previous and wait for the image."""
        self.press(button)
        self.wait(self.is_there)

    def click_row(self, row: int) -> None:
        """Click a row of the list."""
        view = self.panel.view
        index = view.model().index(row, 0)
        view.scrollTo(index)
        point: QPoint = view.visualRect(index).center()
        QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=point)
        settle()

    def segment_all(self) -> None:
        """Press Segment all and wait for its end."""
        self.press(self.all.segment_button)
        self.wait(lambda: not self.all.segmenting.running)

    def rows(self) -> list[str]:
        """The names that are listed."""
        model = self.panel.view.model()
        return [str(model.index(k, 0).data()) for k in range(model.rowCount())]
