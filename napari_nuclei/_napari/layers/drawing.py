"""`Drawing`: nuclei drawn into the pixels of a review layer, as far as its pane reaches."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari import layers
from napari.utils.transforms import Affine
from numpy.typing import NDArray

from ...images.planes import Plane
from ...masks.box import Box
from ...nuclei import labels
from .record import Record
from .review_layer import set_pixels
from .viewport import Viewport, is_part

MAX_PIXELS = 200_000
"""Changed pixels from which on a whole redraw is cheaper than `data_setitem`."""

MAX_BOXES = 1000
"""Boxes from which on the whole plane is drawn anew."""


class Drawing:
    """Keeps the pixels of one review layer as its nuclei are.

    Attributes
    ----------
    pane : Pane
        The part of the image that the layer holds.
    busy : bool
        Whether the layer's data are being set from here just now.
    """

    def __init__(self, layer: layers.Labels, record: Record) -> None:
        self._layer, self._record = layer, record
        self.busy = False
        self.viewport = Viewport.first(record.layer_shape)
        layer.viewport = self.viewport

    def pixels(self) -> NDArray[np.int32]:
        """Draw all that the layer holds."""
        out = np.zeros(self.viewport.shape, np.int32)
        for plane, review in self._record.reviews.items():
            at = self.viewport.index(plane)
            if at is not None:
                out[at] = labels.draw(review.nuclei, self.viewport.box)
        return out

    def put(self, data: NDArray[np.int32]) -> None:
        """Set the layer's data."""
        self.busy = True
        try:
            self._layer.data = data
        finally:
            self.busy = False

    def move(self, viewport: Viewport) -> None:
        """Have the layer hold another part of the image, at its place in the world."""
        layer = self._layer
        step = np.subtract(viewport.origin, self.viewport.origin)
        self.viewport = viewport
        layer.viewport = viewport
        self.put(self.pixels())
        if step.any():
            layer.translate = np.asarray(layer.translate) + linear_of(layer) @ step

    def draw(self, plane: Plane, boxes: list[Box]) -> list[Box]:
        """Bring the pixels of some boxes of a plane up to date; return what of them was drawn."""
        at = self.viewport.index(plane)
        if at is None:
            return []
        nuclei = self._record.reviews[plane].nuclei
        parts = self.viewport.parts(boxes)
        area = sum((y1 - y0) * (x1 - x0) for y0, x0, y1, x1 in parts)
        y0, x0, y1, x1 = self.viewport.box
        if len(parts) > MAX_BOXES or area > (y1 - y0) * (x1 - x0) // 2:
            parts = [self.viewport.box]
        view = self._layer.data[at]
        fresh = [(self.viewport.local(box), labels.draw(nuclei, box)) for box in parts]
        changes = [_changes(view, box, drawn) for box, drawn in fresh]
        if sum(len(values) for _, _, values in changes) > MAX_PIXELS:
            for (y0, x0, y1, x1), drawn in fresh:
                view[y0:y1, x0:x1] = drawn
            self._layer.refresh(extent=False)
        elif changes:
            ys, xs, values = (np.concatenate(part) for part in zip(*changes, strict=True))
            lead = tuple(np.full(len(ys), index) for index in at)
            with self._layer.events.paint.blocker():
                set_pixels(self._layer, (*lead, ys, xs), values)
        return parts


def first_pixels(record: Record) -> NDArray[np.int32]:
    """Return the data with which a layer of a record begins: bare where it will hold a part."""
    shape = record.layer_shape
    return np.zeros(Viewport.first(shape).shape, np.int32) if is_part(shape) else record.draw()


def linear_of(layer: Any) -> NDArray[np.float64]:
    """Return what turns steps in px of a layer into those of its `translate`."""
    shape = Affine(scale=layer.scale, rotate=layer.rotate, shear=layer.shear, ndim=layer.ndim)
    return np.asarray(shape.linear_matrix, float)


def _changes(view: NDArray[np.int32], box: Box, drawn: NDArray[np.int32]) -> tuple[Any, Any, Any]:
    """Return ys, xs and values of the pixels of a box that are not as drawn."""
    y0, x0, y1, x1 = box
    ys, xs = np.nonzero(view[y0:y1, x0:x1] != drawn)
    return ys + y0, xs + x0, drawn[ys, xs]
