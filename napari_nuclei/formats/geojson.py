"""GeoJSON as QuPath reads and writes it: one image's nuclei as polygons with holes.

Coordinates are px of the full image, pixel edges at whole numbers.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

from ..atomic_files import ODD, write_json
from ..masks.outlines import polygons, trace
from ..nuclei import NUCLEUS, ImageRecord, Nuclei, Nucleus, State
from .categories import Category
from .sidecar import Sidecar

Row = dict[str, Any]

NAMESPACE = "napari_nuclei"
CLASS = "Nucleus"
COLOURS = {State.PROPOSED: [230, 159, 0], State.ACCEPTED: [0, 158, 115]}
"""Told apart by everybody (Okabe and Ito)."""

MARK = "6e617061-7269-8000"
"""How the object ids of this project begin; their last eight digits are the nucleus id."""

IGNORED = "Ignore*"
"""QuPath's own class for what is to be ignored."""


def write(path: Path, image: ImageRecord, nuclei: Nuclei, sidecar: Sidecar) -> None:
    """Write the nuclei that are shown as detections, and areas to ignore as annotations.

    What QuPath has a place for is written: an object id, a name (the remark, if there is one),
    a class with the state, the score and the area as measurements. The size of the image is
    added as a member of its own, which QuPath ignores and does not keep.

    Raises
    ------
    UserError
        If the file cannot be written.
    """
    rows = list(nuclei.shown())
    shapes = polygons(trace([n.mask for n in rows]), len(rows))
    plane = _plane(image)
    size = sidecar.pixel_size_of(image)
    crc = zlib.crc32(image.file_name.encode("utf-8", ODD))
    features = [
        _feature(nucleus, shape, plane, crc, size, sidecar.categories.get(nucleus.category))
        for nucleus, shape in zip(rows, shapes, strict=True)
        if shape
    ]
    areas = polygons(trace([c.mask for c in nuclei.crowds]), len(nuclei.crowds))
    features += [
        _ignored(crowd.category, shape, plane)
        for crowd, shape in zip(nuclei.crowds, areas, strict=True)
        if shape
    ]
    about = {"file_name": image.file_name, "height": image.height, "width": image.width}
    write_json(path, {"type": "FeatureCollection", NAMESPACE: about, "features": features})


def _geometry(shape: list[Any], plane: Row) -> Row:
    closed = [[[*ring, ring[0]] for ring in polygon] for polygon in shape]
    one = len(closed) == 1
    geometry: Row = {"type": "Polygon" if one else "MultiPolygon"}
    geometry["coordinates"] = closed[0] if one else closed
    return geometry | plane


def _ignored(category: str, shape: list[Any], plane: Row) -> Row:
    properties: Row = {
        "objectType": "annotation",
        "classification": {"name": IGNORED, "color": [180, 180, 180]},
        "isLocked": True,
    }
    if category != NUCLEUS:
        properties["metadata"] = {"Category": category}
    return {"type": "Feature", "geometry": _geometry(shape, plane), "properties": properties}


def _class(nucleus: Nucleus, category: Category | None) -> Row:
    """Return a nucleus's class in QuPath: of one without a category of its own, its state."""
    state = nucleus.state
    if nucleus.category == NUCLEUS:
        return {"name": f"{CLASS}: {state.value}", "color": COLOURS.get(state, [204, 121, 167])}
    # A category that is called as a state is told from one by the state that follows.
    is_odd = nucleus.category.rpartition(":")[2].strip().lower() in {s.value for s in State}
    reviewed = f": {state.value}" if is_odd or state is not State.PROPOSED else ""
    colour = category.colour if category else None
    return {"name": nucleus.category + reviewed} | ({"color": list(colour)} if colour else {})


def _feature(
    nucleus: Nucleus,
    shape: list[Any],
    plane: Row,
    crc: int,
    size: float | None,
    category: Category | None,
) -> Row:
    measures = {"Score": round(float(nucleus.score), 6), "Area px^2": nucleus.mask.area}
    if size:
        measures["Area µm^2"] = round(nucleus.mask.area * size * size, 4)
    origin = nucleus.origin
    return {
        "type": "Feature",
        "id": f"{MARK}-{0x8000 | crc >> 18:04x}-{crc & 0xFFFF:04x}{nucleus.id:08x}",
        "geometry": _geometry(shape, plane),
        "properties": {
            "objectType": "detection",
            "name": nucleus.note or f"Nucleus {nucleus.id}",
            "classification": _class(nucleus, category),
            "isLocked": False,
            "measurements": measures,
            "metadata": {"Origin": f"{origin.kind.value} {origin.model}".strip()},
        },
    }


def _plane(image: ImageRecord) -> Row:
    """Say on which plane of a stack the nuclei lie: along its only axis, taken as z."""
    at = image.extra.get("plane")
    if not isinstance(at, list) or len(at) != 1:
        return {}
    return {"plane": {"c": -1, "z": at[0], "t": 0}}
