"""How much of an image is segmented: all of it, what is in view, a region, all planes."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Shapes

from ...errors import UserError
from ...masks.box import Box, is_empty, within
from ..layers.camera import view_box
from ..layers.source import shape_of
from ..layers.viewport import to_image

if TYPE_CHECKING:
    from napari.viewer import Viewer


class Region(Enum):
    """How much is segmented; the value is for a person."""

    IMAGE = "Whole image"
    VIEW = "View"
    REGION = "Region"
    PLANES = "All planes"


KEPT = "Unreviewed proposals there are replaced; all else stays, and {undo} undoes it in one step."

TIPS = {
    Region.IMAGE: "The whole plane in view. What you have reviewed stays.",
    Region.VIEW: f"Only what you see now. {KEPT}",
    Region.REGION: "A box that you draw after pressing Segment, or the selected rectangle of a "
    f"Shapes layer. {KEPT}",
    Region.PLANES: "Each plane of the stack, the one in view first. Each has its own review; "
    "Cancel keeps the planes that are done.",
}

DRAW = "Draw a box around what to segment."


def area_in_view(viewer: Viewer, image: Image) -> Box:
    """Return the part of an image that the canvas shows, in px.

    Raises
    ------
    UserError
        If it shows none.
    """
    return _inside(view_box(viewer, image), image, "The view shows no part of the image")


def area_of_shapes(viewer: Viewer, image: Image) -> Box | None:
    """Return the box of the shapes that are selected in a Shapes layer, in px; None if none are.

    Of a layer that is selected itself, a single shape need not be.

    Raises
    ------
    UserError
        If they lie outside the image.
    """
    for layer in viewer.layers.selection:
        if isinstance(layer, Shapes) and layer.editable:
            chosen = sorted(layer.selected_data) or list(range(len(layer.data)))[:2]
            if layer.selected_data or len(chosen) == 1:
                corners = np.concatenate([layer.data[k] for k in chosen])
                points = np.array([to_image(image, layer.data_to_world(c))[-2:] for c in corners])
                return box_of(points.tolist(), image)
    return None


def box_of(points: Any, image: Image) -> Box:
    """Return the box around points (y, x) in px of an image, whose middles are whole numbers.

    Raises
    ------
    UserError
        If it lies outside the image.
    """
    given = np.asarray(points, float)
    low, high = np.round(given.min(0)).astype(int), np.round(given.max(0)).astype(int) + 1
    box = (int(low[0]), int(low[1]), int(high[0]), int(high[1]))
    return _inside(box, image, "The region lies outside the image")


def _inside(box: Box, image: Image, else_: str) -> Box:
    height, width = shape_of(image)[-2:]
    part = within(box, (height, width))
    if is_empty(part):
        raise UserError(f"{else_}: move there and try again.")
    return part
