"""Where the viewer looks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtWidgets import QApplication, QWidget

from ...masks.box import Box, touches
from .viewport import to_image, to_world

if TYPE_CHECKING:
    from napari.viewer import Viewer

SHARE = 0.25
"""Share of the view's side that a nucleus fills when the viewer goes to it."""


MIN_SIDE = 32
"""Side in px that every nucleus counts as: a speck is judged by what lies around it."""


def look_at(viewer: Viewer, layer: Any, box: Box) -> None:
    """Centre a box of a layer's plane in view, and zoom so that it fills a quarter of the view."""
    y0, x0, y1, x1 = _at_least(box)
    world = _in_world(viewer, layer, [(y0, x0), (y0, x1), (y1, x0), (y1, x1)])
    low, high = world.min(0), world.max(0)
    height, width = canvas_size(viewer)
    _centre(viewer, (low + high) / 2)
    camera_of(viewer).zoom = SHARE * min(
        height / max(high[0] - low[0], 1e-9), width / max(high[1] - low[1], 1e-9)
    )


def bring_into_view(viewer: Viewer, layer: Any, boxes: Sequence[Box]) -> None:
    """Centre the first of some boxes of a layer's plane, where none of them is in view."""
    view = view_box(viewer, layer)
    if boxes and not any(touches(view, box) for box in boxes):
        y0, x0, y1, x1 = boxes[0]
        _centre(viewer, _in_world(viewer, layer, [((y0 + y1) / 2, (x0 + x1) / 2)])[0])


def _in_world(
    viewer: Viewer, layer: Any, points: Sequence[tuple[float, float]]
) -> NDArray[np.float64]:
    """World coordinates (y, x) of points between the pixels of a layer's plane in view."""
    lead = list(to_image(layer, viewer.dims.point)[:-2])
    return np.array([to_world(layer, [*lead, y - 0.5, x - 0.5])[-2:] for y, x in points])


def _centre(viewer: Viewer, point: NDArray[np.float64]) -> None:
    camera = camera_of(viewer)
    camera.center = (*camera.center[:-2], *point)


def _at_least(box: Box) -> tuple[float, float, float, float]:
    y0, x0, y1, x1 = box
    dy, dx = (max(0.0, MIN_SIDE - size) / 2 for size in (y1 - y0, x1 - x0))
    return y0 - dy, x0 - dx, y1 + dy, x1 + dx


def camera_of(viewer: Viewer) -> Any:
    """Return the camera; before napari 0.9 it hung on the viewer itself."""
    scene = getattr(viewer, "scene", None)
    return viewer.camera if scene is None else scene.camera


def canvas_size(viewer: Viewer) -> tuple[float, float]:
    """Return height and width of the canvas in px."""
    canvas = getattr(viewer, "canvas", None)
    if canvas is not None:
        height, width = canvas.size
        return float(height), float(width)
    # Before napari 0.9 only the widget knows it in public.
    widget = next(canvases(), None)
    return (600.0, 800.0) if widget is None else (float(widget.height()), float(widget.width()))


def canvases() -> Iterator[QWidget]:
    """Yield the canvases of all windows that are shown."""
    tops = QApplication.topLevelWidgets()
    found = (w for top in tops for w in top.findChildren(QWidget))
    return (w for w in found if w.inherits("QOpenGLWidget") and w.isVisible())


def view_box(viewer: Any, layer: Any) -> Box:
    """Return the box of a layer's plane in px that the canvas shows."""
    camera = camera_of(viewer)
    height, width = canvas_size(viewer)
    y, x = camera.center[-2:]
    dy, dx = height / camera.zoom / 2, width / camera.zoom / 2
    lead = list(viewer.dims.point[:-2])
    corners = [(y + a * dy, x + b * dx) for a in (-1, 1) for b in (-1, 1)]
    points = [to_image(layer, (*lead, *corner))[-2:] for corner in corners]
    ys, xs = [p[0] for p in points], [p[1] for p in points]
    return int(min(ys)), int(min(xs)), int(max(ys)) + 1, int(max(xs)) + 1
