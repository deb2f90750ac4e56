"""Where the viewer looks. Not here: what is to be seen there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..box import Box

if TYPE_CHECKING:
    from napari.viewer import Viewer

SHARE = 0.25
"""Share of the view's side that a nucleus fills when the viewer goes to it."""


def look_at(viewer: Viewer, layer: Any, box: Box) -> None:
    """Centre a box of a layer's plane in view, and zoom so that it fills a quarter of the view."""
    y0, x0, y1, x1 = box
    lead = list(layer.world_to_data(viewer.dims.point)[:-2])
    corners = [(y0, x0), (y0, x1), (y1, x0), (y1, x1)]
    world = np.array([layer.data_to_world([*lead, y - 0.5, x - 0.5])[-2:] for y, x in corners])
    low, high = world.min(0), world.max(0)
    camera = viewer.scene.camera
    height, width = canvas_size(viewer)
    camera.center = (*camera.center[:-2], *((low + high) / 2))
    camera.zoom = SHARE * min(
        height / max(high[0] - low[0], 1e-9), width / max(high[1] - low[1], 1e-9)
    )


def canvas_size(viewer: Viewer) -> tuple[float, float]:
    """Return height and width of the canvas in px."""
    height, width = viewer.canvas.size
    return float(height), float(width)
