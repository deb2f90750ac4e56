"""A viewer with the widget on an image file, as a person opens it. No tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from gui import FakeEngine, settle

from napari_nuclei._napari.session.session import Session
from napari_nuclei._napari.widget import NucleiWidget

GRAY = np.zeros((60, 80), np.uint8)


class Window:
    """A viewer with the widget on an image file."""

    def __init__(self, make: Callable[..., Any], qtbot: Any, path: Path | None, **how: Any) -> None:
        self.viewer, self.qtbot = make(), qtbot
        self.widget = NucleiWidget(self.viewer, FakeEngine())
        self.viewer.window.add_dock_widget(self.widget, name="Nuclei")
        if path is None:
            self.image = self.viewer.add_image(GRAY, name="cells")
        else:
            self.image, *_ = self.open(path, **how)
        self.session = Session.of(self.viewer)

    def open(self, *paths: Path, **how: Any) -> Any:
        """Open files as File ▸ Open does; return the layers that came."""
        names = [str(path) for path in paths]
        return self.viewer.open(names if len(names) > 1 else names[0], plugin="napari", **how)

    def choose(self, image: Any) -> None:
        """Make an image the one that is worked on."""
        self.viewer.layers.selection.active = image
        settle()

    @property
    def names(self) -> list[str]:
        """The names of the review layers."""
        return [layer.name for layer in self.session.bridges]

    @property
    def bridge(self) -> Any:
        return self.widget.bridge

    def segment(self) -> None:
        with self.qtbot.waitSignal(self.widget.segmenting.ended, timeout=60_000):
            self.widget.segment_button.click()

    def close(self) -> None:
        """Close the reviews, as when the window is closed."""
        self.session.close()
        self.viewer.layers.clear()
