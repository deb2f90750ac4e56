"""Adopting: a label image or a file's nuclei become the review of an image, as one edit.

Here: which layer may be adopted, and doing it. Not here: edits (`edits.py`), reading label
images (`labels.py`), files (`reader.py`).
"""

from __future__ import annotations

from napari.layers import Image, Labels

from .. import edits
from .bridge import Bridge
from .layer_list import below
from .record import nuclei_of
from .session import Session
from .source import shape_of


def adoptable(session: Session, image: Image | None) -> Labels | None:
    """Return the active layer if it is a label image that could be an image's review."""
    layer = session.viewer.layers.selection.active
    if image is None or not isinstance(layer, Labels) or below(layer) is not None:
        return None
    bridge = session.bridges.get(layer)
    if bridge is not None and bridge.record is session.record_of(image):
        return None
    shape = shape_of(image)
    own = layer.data.shape if bridge is None else bridge.record.layer_shape
    return layer if len(shape) == 2 and own == shape else None


def adopt(session: Session, image: Image, layer: Labels) -> Bridge:
    """Take the nuclei of another layer as those of an image, as one edit.

    Raises
    ------
    UserError
        If the layer cannot be read as nuclei, or nothing would change.
    """
    if layer in session.bridges:
        nuclei = session.bridges[layer].review.nuclei
    else:
        nuclei = nuclei_of(layer.data, layer.name)
    bridge = session.open(image, shape_of(image))
    bridge.review.do(edits.adopt(bridge.review.nuclei, nuclei))
    layer.visible = False
    session.activate(bridge)
    return bridge
