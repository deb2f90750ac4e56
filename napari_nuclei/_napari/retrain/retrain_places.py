"""Places that a retraining tells of, shown in their images: what changed, what is locked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from napari.layers import Image

from ...masks.box import Box
from ..layers.camera import look_at
from ..layers.source import geometry_of, shape_of
from ..review.reviewing import actions_of
from ..session.openers import file_of
from ..session.session import Session

LOCKED = "locked tiles"


def go_to(session: Session, change: Mapping[str, Any]) -> str:
    """Show a change in its image, which is opened if it is not yet; return what went wrong."""
    path, viewer = Path(change["image"]), session.viewer
    image = _layer_of(session, path)
    if image is None:
        try:
            found = viewer.open(str(path))
        except Exception as error:  # whatever a reader brings up
            return f"{path} cannot be opened: {error}"
        image = next((x for x in found if isinstance(x, Image)), None)
    if image is None:
        return ""
    if change["plane"] is not None and viewer.dims.ndim > 2:
        viewer.dims.set_current_step(0, change["plane"])
    look_at(viewer, image, tuple(change["box"]))
    bridge = session.bridge_of(image)
    if bridge is not None:
        session.activate(bridge)
        actions = actions_of(bridge)
        if change["id"] in bridge.review.nuclei and actions is not None:
            actions.choose(change["id"])
    return ""


def show_locked(session: Session, boxes_of: Mapping[str, Sequence[Box]]) -> None:
    """Outline the locked tiles of the images that are open, in layers of their own."""
    viewer = session.viewer
    for path, boxes in boxes_of.items():
        image = _layer_of(session, Path(path))
        name = f"{image.name} {LOCKED}" if image is not None else ""
        if image is None or image.ndim > 2 or name in viewer.layers:
            continue
        viewer.add_shapes(
            [[(y0 - 0.5, x0 - 0.5), (y1 - 0.5, x1 - 0.5)] for y0, x0, y1, x1 in boxes],
            name=name,
            face_color="transparent",
            edge_color="orange",
            edge_width=2,
            **geometry_of(image, shape_of(image)),
        )


def _layer_of(session: Session, path: Path) -> Image | None:
    images = [layer for layer in session.viewer.layers if isinstance(layer, Image)]
    images.sort(key=lambda x: session.record_of(x) is None)  # of several channels that under review
    of_file = [image for image in images if file_of(image) == path]
    called = [i for i in images if file_of(i) is None and i.name in (path.stem, path.name)]
    if of_file or len(called) == 1:
        return (of_file or called)[0]
    # An image without a file: written out under a number, in the order of the layers.
    place = [p for p in images if session.record_of(p) is not None and file_of(p) is None]
    return place[0] if len(place) == 1 and path.parent.parent.name == "reviews" else None
