"""Adopting: a label image or a file's nuclei become the review of an image, as one edit."""

from __future__ import annotations

from napari.layers import Image, Labels

from ...nuclei import Nuclei, edits
from ...nuclei.shape_edits import pieces
from ..layers.bridge import Bridge
from ..layers.keys import filled
from ..layers.layer_list import below
from ..layers.record import nuclei_and_remark
from ..layers.source import shape_of
from .session import Session


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


def adopt(session: Session, image: Image, layer: Labels) -> str:
    """Take the nuclei of another layer as those of an image, as one edit.

    Where one value stands for many, as in a mask of 0 and 255, each separate piece becomes a
    nucleus; that is an edit of its own, which can be undone.

    Returns
    -------
    str
        What the person should know.

    Raises
    ------
    UserError
        If the layer cannot be read as nuclei, or nothing would change.
    """
    remark = ""
    if layer in session.bridges:
        nuclei = session.bridges[layer].review.nuclei
    else:
        nuclei, remark = nuclei_and_remark(layer.data, layer.name)
    bridge = _adopted(session, image, nuclei, remark)
    layer.visible = False
    session.activate(bridge)
    undo = filled("{undo}")
    if not remark:
        return f"“{layer.name}” is under review now; {undo} undoes that."
    return (
        f"“{layer.name}” {remark}: each piece is a nucleus now. {undo} joins them again, and a "
        "second time undoes it all."
    )


def _adopted(session: Session, image: Image, nuclei: Nuclei, remark: str) -> Bridge:
    bridge = session.open(image, shape_of(image))
    review = bridge.review
    edit = edits.adopt(review.nuclei, nuclei)
    review.do(edit)
    divided = pieces(review.nuclei, [n.id for n in edit.after]) if remark else None
    if divided is not None:
        review.do(divided)
    return bridge
