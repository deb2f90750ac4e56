"""The page object of the window's tests: a viewer with the widget. No tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from gui import FakeEngine, settle
from napari.utils._proxies import PublicOnlyProxy
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_nuclei._napari.folder.folder import Folder
from napari_nuclei._napari.segment.regions import Region
from napari_nuclei._napari.session.session import Session
from napari_nuclei._napari.widget import NucleiWidget

GRAY = np.zeros((60, 80), np.uint8)
TIMEOUT = 60_000


class Viewing:
    """A viewer and the reviews in it."""

    def __init__(self, viewer: Any) -> None:
        self.viewer = viewer
        self.session = Session.of(viewer)

    @property
    def names(self) -> list[str]:
        """The names of the review layers."""
        return [layer.name for layer in self.session.bridges]

    def close(self) -> None:
        """Close the reviews, as when the window is closed."""
        self.session.close()
        self.viewer.layers.clear()


class Desk(Viewing):
    """A viewer with the widget, made as napari makes it: with a proxy of the viewer."""

    image: Any = None
    """What was shown or opened last."""

    def __init__(
        self, make_viewer: Callable[..., Any], qtbot: Any, engine: Any = None, show: bool = False
    ) -> None:
        super().__init__(make_viewer(show=show))
        self.qtbot, self.engine = qtbot, engine or FakeEngine()
        self.widget = NucleiWidget(PublicOnlyProxy(self.viewer), self.engine)
        self.viewer.window.add_dock_widget(self.widget, name="Nuclei")
        self.settings, self.result = self.widget.settings, self.widget.result
        self.folder_panel = self.widget.folder
        self.all = self.folder_panel.all

    # -- images

    def show(self, pixels: Any = GRAY, **how: Any) -> Any:
        """Show pixels that are no file."""
        self.image = self.viewer.add_image(pixels, **{"name": "cells", **how})
        return self.image

    def open(self, *paths: Path, **how: Any) -> Any:
        """Open files as File ▸ Open does; return the layers that came."""
        names = [str(path) for path in paths]
        layers = self.viewer.open(names if len(names) > 1 else names[0], plugin="napari", **how)
        self.image = layers[0]
        return layers

    def choose(self, image: Any) -> None:
        """Make an image the one that is worked on."""
        self.viewer.layers.selection.active = image
        settle()

    # -- what there is

    @property
    def bridge(self) -> Any:
        return self.widget.bridge

    @property
    def review(self) -> Any:
        """The review of what is in view."""
        assert self.bridge is not None
        return self.bridge.review

    @property
    def said(self) -> str:
        """The line below the button."""
        return self.widget.message.text()

    # -- what a person does

    def wait(self, until: Callable[[], bool]) -> None:
        self.qtbot.waitUntil(until, timeout=TIMEOUT)

    def press(self, button: Any) -> None:
        """Click a button with the mouse."""
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)
        settle()

    def choose_region(self, region: Region) -> None:
        box = self.widget.region_box
        box.setCurrentIndex(box.findText(region.value))
        assert self.widget.region is region

    def segment(self, region: Region | None = None) -> Any:
        """Press Segment and wait for the end; return the review layer's bridge."""
        if region is not None:
            self.choose_region(region)
        with self.qtbot.waitSignal(self.widget.segmenting.ended, timeout=TIMEOUT):
            self.widget.segment_button.click()
        settle()
        return self.bridge

    # -- a folder

    @property
    def folder(self) -> Folder:
        return self.folder_panel.folder

    @property
    def in_view(self) -> str:
        """The name of the folder's image in view."""
        assert self.folder.current is not None
        return self.folder.items[self.folder.current].path.name

    @property
    def folder_path(self) -> Path | None:
        """The folder, or the file that names its images, that is open."""
        return None if self.folder.workspace is None else self.folder.workspace.path

    def open_folder(self, path: Path, images: Path | None = None) -> None:
        """Open a folder and wait for its first image."""
        self.folder_panel.open(path, images)
        self.wait(lambda: self.is_there() and self.folder_path == path)
        self.wait_for_counts()

    def is_there(self) -> bool:
        """Whether the image that was asked for is in view."""
        return self.folder.current is not None and self.folder.asked is None

    def wait_for_counts(self) -> None:
        numbers = range(len(self.folder.items))
        self.wait(lambda: all(self.folder.standings.of(n) is not None for n in numbers))

    def turn(self, button: Any) -> None:
        """Press Next or Previous and wait for the image."""
        self.press(button)
        self.wait(self.is_there)

    def click_row(self, row: int) -> None:
        """Click a row of the list."""
        view = self.folder_panel.view
        index = view.model().index(row, 0)
        view.scrollTo(index)
        point: QPoint = view.visualRect(index).center()
        QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=point)
        settle()

    def rows(self) -> list[str]:
        """The names that are listed."""
        model = self.folder_panel.view.model()
        return [str(model.index(k, 0).data()) for k in range(model.rowCount())]

    def segment_all(self) -> None:
        """Press Segment all and wait for its end."""
        self.press(self.all.segment_button)
        self.wait(lambda: not self.all.segmenting.running)
