"""GeoJSON as QuPath reads and writes it: one image's nuclei as polygons with holes.

Here: features ↔ nuclei. Not here: how outlines are followed and filled (`outlines.py`), where
the image lies (`beside.py`). Coordinates are px of the full image, pixel edges at whole numbers.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError
from ..nuclei import Kind, Nuclei, Nucleus, Origin, State
from ..outlines import Rings, fill, polygons, trace
from .beside import Beside, stem_of
from .dataset import ImageRecord
from .files import ODD, read_json, write_json
from .segmentation import is_whole

Row = dict[str, Any]

NAMESPACE = "napari_nuclei"
CLASS = "Nucleus"
COLOURS = {State.PROPOSED: [230, 159, 0], State.ACCEPTED: [0, 158, 115]}
"""Told apart by everybody (Okabe and Ito)."""

MARK = "6e617061-7269-8000"
"""How the object ids of this project begin; their last eight digits are the nucleus id."""

FAR = 1e7
"""Coordinates beyond this are no pixels."""


def write(path: Path, image: ImageRecord, nuclei: Nuclei, beside: Beside) -> None:
    """Write the nuclei that are shown as detections.

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
    size = beside.pixel_size_of(image)
    crc = zlib.crc32(image.file_name.encode("utf-8", ODD))
    features = [
        _feature(nucleus, shape, plane, crc, size)
        for nucleus, shape in zip(rows, shapes, strict=True)
        if shape
    ]
    about = {"file_name": image.file_name, "height": image.height, "width": image.width}
    write_json(path, {"type": "FeatureCollection", NAMESPACE: about, "features": features})


def _feature(nucleus: Nucleus, shape: list[Any], plane: Row, crc: int, size: float | None) -> Row:
    closed = [[[*ring, ring[0]] for ring in polygon] for polygon in shape]
    one = len(closed) == 1
    geometry: Row = {"type": "Polygon" if one else "MultiPolygon"}
    geometry["coordinates"] = closed[0] if one else closed
    measures = {"Score": round(float(nucleus.score), 6), "Area px^2": nucleus.mask.area}
    if size:
        measures["Area µm^2"] = round(nucleus.mask.area * size * size, 4)
    origin = nucleus.origin
    return {
        "type": "Feature",
        "id": f"{MARK}-{0x8000 | crc >> 18:04x}-{crc & 0xFFFF:04x}{nucleus.id:08x}",
        "geometry": geometry | plane,
        "properties": {
            "objectType": "detection",
            "name": nucleus.note or f"Nucleus {nucleus.id}",
            "classification": {
                "name": f"{CLASS}: {nucleus.state.value}",
                "color": COLOURS.get(nucleus.state, [204, 121, 167]),
            },
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


# -- reading ----------------------------------------------------------------------------


def read(path: Path, beside: Beside) -> tuple[ImageRecord, Nuclei]:
    """Read polygons; each feature is one nucleus.

    Of cells the nucleus is taken. Where there are detections or cells, annotations are taken
    for regions and left out, with a remark, as are points and lines.

    Raises
    ------
    UserError
        If it is no such file, a polygon is broken, or the size of the image is not known.
    """
    value = read_json(path)
    features = _features(value, path)
    chosen = _chosen(features, path, beside)
    rings, extent = _rings([shape for _, _, shape in chosen], path)
    about = value.get(NAMESPACE) if isinstance(value, dict) else None
    image = _image(about) or beside.record(path, stem_of(path), extent)
    masks = fill(rings, len(chosen), image.shape)
    ids = _ids([row for _, row, _ in chosen])
    rows = []
    for (number, row, _), mask, id in zip(chosen, masks, ids, strict=True):
        if not mask:
            beside.remarks.append(f"{path.name}: feature {number} holds no pixel; left out.")
            continue
        rows.append(_nucleus(id, mask, row, path))
    return image, Nuclei(image.shape, rows)


def _features(value: Any, path: Path) -> list[Any]:
    if isinstance(value, dict) and value.get("type") == "Feature":
        return [value]
    features = value.get("features") if isinstance(value, dict) else value
    if not isinstance(features, list) or not all(isinstance(f, dict) for f in features):
        raise UserError(f"{path} is not GeoJSON: it has no list of features")
    return features


def _chosen(
    features: list[Row], path: Path, beside: Beside
) -> list[tuple[int, Row, list[list[Any]]]]:
    """Return number, feature and polygons of what is taken for nuclei."""
    found: list[tuple[int, Row, list[list[Any]], str]] = []
    left: Counter[str] = Counter()
    planes = set()
    for number, row in enumerate(features, 1):
        geometry = _object(row.get("nucleusGeometry") or row.get("geometry"))
        kind = geometry.get("type")
        if kind not in ("Polygon", "MultiPolygon"):
            left[f"of type {kind}"] += 1
            continue
        rings = geometry.get("coordinates")
        shape = [rings] if kind == "Polygon" else rings
        if not isinstance(shape, list) or not all(isinstance(p, list) for p in shape):
            raise UserError(f"{path}: feature {number} has no coordinates: mend or remove it")
        plane = _object(geometry.get("plane"))
        planes.add((plane.get("z", 0), plane.get("t", 0)))
        found.append((number, row, shape, _kind(row)))
    if len(planes) > 1:
        raise UserError(
            f"{path} has objects on {len(planes)} planes of a stack: export one plane at a time"
        )
    if any(kind != "annotation" for *_, kind in found):
        left["that are annotations, taken for regions"] = sum(
            kind == "annotation" for *_, kind in found
        )
        found = [f for f in found if f[3] != "annotation"]
    for what, number in left.items():
        if number:
            beside.remarks.append(f"{path.name}: {number:,} features {what} are left out.")
    return [(number, row, shape) for number, row, shape, _ in found]


def _kind(row: Row) -> str:
    properties = _object(row.get("properties"))
    kind = properties.get("objectType") or properties.get("object_type") or row.get("id")
    text = str(kind).lower()
    # Files without QuPath's word for it come from elsewhere, and are nuclei all the same.
    return next((k for k in ("detection", "cell", "annotation") if k in text), "object")


def _rings(shapes: list[list[list[Any]]], path: Path) -> tuple[Rings, tuple[int, int]]:
    points: list[Any] = []
    sizes, owner = [], []
    for k, shape in enumerate(shapes):
        for polygon in shape:
            for ring in polygon:
                try:
                    corners = np.array(ring, float)[:, :2]
                    if len(corners) < 3 or not (np.abs(corners) < FAR).all():
                        raise ValueError
                except (ValueError, TypeError, IndexError):
                    raise UserError(
                        f"{path}: polygon {k + 1} is not a list of three corners [x, y] or more "
                        "in px: mend or remove it"
                    ) from None
                points.append(corners)
                sizes.append(len(corners))
                owner.append(k)
    joined = np.concatenate(points) if points else np.zeros((0, 2))
    rings = Rings(joined, np.array(sizes, np.int64), np.array(owner, np.int64))
    # A pixel is taken if its centre lies inside.
    wide, tall = np.ceil(joined.max(0, initial=0.5) - 0.5).astype(int).tolist()
    return rings, (tall, wide)


def _image(about: Any) -> ImageRecord | None:
    about = _object(about)
    height, width, name = (about.get(k) for k in ("height", "width", "file_name"))
    if not (is_whole(height) and is_whole(width) and height > 0 < width and isinstance(name, str)):
        return None
    return ImageRecord(1, name, int(height), int(width))


def _object(value: Any) -> Row:
    return value if isinstance(value, dict) else {}


def _ids(rows: list[Row]) -> list[int]:
    """Return the ids of this project's own objects, and new ones for copies and others."""
    seen: set[int] = set()
    out: list[int | None] = []
    for row in rows:
        text = str(row.get("id") or _object(row.get("properties")).get("id"))
        ours = text.startswith(MARK) and re.fullmatch(r"[0-9a-f-]{36}", text)
        id = int(text[-8:], 16) if ours else 0
        new = 0 < id < 2**31 and id not in seen
        seen |= {id} if new else set()
        out.append(id if new else None)
    free = iter(range(max(seen, default=0) + 1, 2**31))
    return [next(free) if id is None else id for id in out]


def _nucleus(id: int, mask: Any, row: Row, path: Path) -> Nucleus:
    properties = _object(row.get("properties"))
    measures = _measures(properties.get("measurements"))
    score = next((measures[k] for k in ("Score", "score", "Probability") if k in measures), 1.0)
    name = properties.get("name")
    note = name if isinstance(name, str) and not re.fullmatch(r"Nucleus \d+", name) else ""
    said = str(_object(properties.get("metadata")).get("Origin", ""))
    kind, _, model = said.partition(" ")
    if kind in (Kind.MODEL.value, Kind.HAND.value, Kind.IMPORT.value):
        origin = Origin(Kind(kind), model)
    else:
        origin = Origin(Kind.IMPORT, path.name)
    return Nucleus(id, mask, min(max(score, 0.0), 1.0), _state(properties), origin, note=note)


def _measures(value: Any) -> dict[str, float]:
    """Read measurements: an object, or a list of names and values as older versions wrote."""
    if isinstance(value, list):
        value = {str(m.get("name")): m.get("value") for m in value if isinstance(m, dict)}
    out = {}
    for name, number in _object(value).items():
        if isinstance(number, (int, float)) and not isinstance(number, bool):
            out[name] = float(number)
    return out


def _state(properties: Row) -> State:
    """Read the state from the last part of the class, as it may have been set in QuPath."""
    of = _object(properties.get("classification"))
    names = of.get("names") or re.split(r"\s*:\s*", str(of.get("name", "")))
    last = str(names[-1]).lower() if isinstance(names, list) and names else ""
    return next((s for s in State if s.value == last), State.PROPOSED)
