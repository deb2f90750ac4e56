"""Layers that lie on a review layer, in napari's list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gui import FakeEngine

from napari_nuclei._napari.widget import NucleiWidget


def segmented(make_viewer: Callable[..., Any], qtbot: Any) -> tuple[Any, NucleiWidget]:
    viewer = make_viewer()
    viewer.add_image(np.zeros((60, 80), np.uint8), name="cells")
    widget = NucleiWidget(viewer, FakeEngine())
    viewer.window.add_dock_widget(widget, name="Nuclei")
    with qtbot.waitSignal(widget.segmenting.ended, timeout=60_000):
        widget.segment()
    qtbot.waitUntil(lambda: len(viewer.layers) == 3)
    return viewer, widget


def test_outlines_leave_the_selection_of_their_nuclei(
    make_viewer: Callable[..., Any], qtbot: Any
) -> None:
    viewer, widget = segmented(make_viewer, qtbot)
    image, nuclei, outlines = viewer.layers
    viewer.layers.selection.clear()
    viewer.layers.selection.update([nuclei, outlines])
    assert set(viewer.layers.selection) == {nuclei}
    viewer.layers.select_all()
    assert set(viewer.layers.selection) == {image, nuclei}
    viewer.layers.selection.remove(image)
    viewer.layers.remove_selected()
    qtbot.waitUntil(lambda: list(viewer.layers) == [image])
    widget.result.bring_back.emit()
    qtbot.waitUntil(lambda: len(viewer.layers) == 3)
