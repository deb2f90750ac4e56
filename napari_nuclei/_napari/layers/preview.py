"""`Preview`: the line, box or lasso that is being dragged. Never made active, never edited."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Shapes

from .camera import camera_of
from .layer_list import insert, lies_on
from .viewport import origin_of

if TYPE_CHECKING:
    from napari.viewer import Viewer

NAME = "drag"
COLOR = "#F0E442"
KINDS = {"line": "path", "lasso": "polygon", "box": "polygon", "outline": "polygon"}


class Preview:
    """Draws over the layers of a viewer, in a layer of its own that comes and goes.

    An active Shapes layer would take our keys: so this one is added without being selected.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = weakref.ref(viewer)
        self._layer: Shapes | None = None

    def show(self, points: Sequence[tuple[float, float]], shape: str, over: Any) -> None:
        """Draw points (y, x) in px of the image of the layer `over`."""
        viewer = self._viewer()
        if viewer is None or len(points) < 2:
            return
        lead = [float(k) for k in np.round(over.world_to_data(viewer.dims.point)[:-2])]
        top, left = origin_of(over)[-2:]
        line = np.array([[*lead, y - top, x - left] for y, x in points])
        if len(line) < 3 and KINDS[shape] == "polygon":
            return
        layer = self._shown(viewer, over)
        width = 2 / max(camera_of(viewer).zoom * abs(float(over.scale[-1])), 1e-6)
        layer.data = []
        layer.translate = over.translate  # it may hold another part of its image by now
        layer.add(line, shape_type=KINDS[shape], edge_width=width, edge_color=COLOR)

    def clear(self) -> None:
        """Draw nothing; the layer goes."""
        viewer, layer = self._viewer(), self._layer
        self._layer = None
        if viewer is not None and layer is not None and layer in viewer.layers:
            viewer.layers.remove(layer)

    def _shown(self, viewer: Viewer, over: Any) -> Shapes:
        if self._layer is None or self._layer not in viewer.layers:
            self._layer = Shapes(
                ndim=over.ndim,
                name=NAME,
                face_color="transparent",
                edge_color=COLOR,
                scale=over.scale,
                translate=over.translate,
                rotate=over.rotate,
                shear=over.shear,
                affine=over.affine,
                units=over.units,
            )
            self._layer.editable = False
            lies_on(self._layer, over)
            insert(viewer, len(viewer.layers), self._layer)
        return self._layer
