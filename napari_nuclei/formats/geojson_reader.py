"""GeoJSON, as QuPath and others write it → one image's nuclei."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FormatError, UserError
from ..nuclei import Crowd, ImageRecord, Nuclei
from ..wording import are, counted
from .archives import json_of
from .broken import Broken
from .geojson import IGNORED, MARK, NAMESPACE, Row
from .geojson_properties import Reader, category_in, class_of, object_of
from .numbers import whole
from .outlined import Outlines, corners_of
from .sidecar import Sidecar, stem_of
from .structure import GEOMETRIES

OUTLINE = "its outline is not a list of three corners [x, y] or more in px"

KINDS = ("detection", "cell", "annotation", "tile", "tmacore", "root")
"""QuPath's words for an object; older versions have ``PathTileObject`` and the like as its id."""

LEFT = {
    "annotation": "annotation, read as a region",
    "tile": "tile",
    "tmacore": "core of a TMA",
    "root": "the whole image",
}


@dataclass(frozen=True, slots=True)
class _Found:
    """A feature with an outline."""

    label: str
    row: Row
    rings: list[NDArray[np.float64]]
    kind: str

    @property
    def is_bare_cell(self) -> bool:
        """Whether it is a cell whose nucleus is not outlined."""
        return self.kind == "cell" and not object_of(self.row.get("nucleusGeometry"))

    @property
    def is_ignored(self) -> bool:
        """Whether it is an area that is to be ignored, in QuPath's words or in COCO's."""
        crowd = object_of(self.row.get("properties")).get("iscrowd")
        is_crowd = crowd is True or whole(crowd) == 1
        return is_crowd or (self.kind == "annotation" and class_of(self.row)[0] == IGNORED)


def read(path: Path, sidecar: Sidecar) -> tuple[ImageRecord, Nuclei]:
    """Read polygons; each feature is one nucleus.

    Of cells the nucleus is taken. Where there are detections or cells, annotations are taken
    for regions and left out, with a remark, as are points, lines and the cores of a TMA. Tiles
    only count where there is nothing else. What is of the class ``Ignore*`` is an area to ignore.

    Raises
    ------
    UserError
        If it is no such file, nothing in it can be used, or the size of the image is not known.
    """
    value, name = json_of(path, "geojson")
    features = _features(value, path)
    broken = Broken(str(path), sidecar.on_broken, "feature")
    left: Counter[str] = Counter()
    found = _with_outlines(features, path, broken, left)
    ignored = [f for f in found if f.is_ignored]
    chosen = _chosen([f for f in found if not f.is_ignored], left)
    for what, count in left.items():
        sidecar.remarks.append(
            f"{path.name}: {counted(count, 'feature')} {are(count)} left out ({what})."
        )
    if bare := sum(f.is_bare_cell for f in chosen):
        sidecar.remarks.append(
            f"{path.name}: {counted(bare, 'cell')} without a nucleus {are(bare)} read as a whole."
        )
    if features and not (chosen or ignored):
        broken.tell(len(features))
        raise _nothing_in(path, left)
    outlines = Outlines()
    for each in (*chosen, *ignored):
        outlines.add(each.label, each.rings)
    about = value.get(NAMESPACE) if isinstance(value, dict) else None
    stem = stem_of(path if name == path.name else Path(name))
    image, masks = outlines.masks(path, stem, sidecar, broken, _image(about))
    reader = Reader(path, sidecar, broken)
    ids = _ids([f.row for f in chosen])
    rows = [
        reader.nucleus(id, mask, f.row, f.label)
        for f, mask, id in zip(chosen, masks, ids, strict=False)
        if mask
    ]
    areas = zip(ignored, masks[len(chosen) :], strict=True)
    crowds = tuple(Crowd(mask, category_in(f.row)) for f, mask in areas if mask)
    broken.tell(len(features))
    if features and not (rows or crowds):
        raise _nothing_in(path, left)
    return image, Nuclei(image.shape, rows, crowds=crowds)


def _nothing_in(path: Path, left: Counter[str]) -> UserError:
    kinds = "; ".join(f"{what}: {count:,}" for what, count in left.items())
    return FormatError(f"{path} has no outline of a nucleus that can be used, but others ({kinds})")


def _features(value: Any, path: Path) -> list[Any]:
    if isinstance(value, dict) and value.get("type") in GEOMETRIES:
        return [{"type": "Feature", "geometry": value}]
    if isinstance(value, dict) and value.get("type") == "Feature":
        return [value]
    features = value.get("features") if isinstance(value, dict) else value
    if not isinstance(features, list):
        raise FormatError(f"{path} is not GeoJSON: it has no list of features")
    return features


def _with_outlines(
    features: list[Any], path: Path, broken: Broken, left: Counter[str]
) -> list[_Found]:
    """Return the features that have an outline, whatever they are."""
    found = []
    planes = set()
    for k, row in enumerate(features, 1):
        label = f"number {k}"
        geometry = _geometry(row)
        if not isinstance(row, dict) or not geometry:
            broken.leave_out(label, "it has no geometry")
            continue
        if (kind := geometry.get("type")) not in GEOMETRIES:
            left[f"of type {kind}"] += 1
            continue
        rings = _rings(geometry, label, broken)
        if not rings:
            broken.leave_out(label, OUTLINE)
            continue
        found.append(_Found(label, row, rings, what := _kind(row)))
        plane = object_of(geometry.get("plane"))
        if what not in ("tmacore", "root"):
            planes.add((plane.get("z", 0), plane.get("t", 0)))
    if len(planes) > 1:
        raise FormatError(
            f"{path} has objects on {len(planes)} planes of a stack: export one plane at a time"
        )
    return found


def _geometry(row: Any) -> Row:
    row = object_of(row)
    return object_of(row.get("nucleusGeometry")) or object_of(row.get("geometry"))


def _rings(geometry: Row, label: str, broken: Broken) -> list[NDArray[np.float64]]:
    """Return the rings of all polygons; those that are none are left out."""
    shape = geometry.get("coordinates")
    polygons = [shape] if geometry["type"] == "Polygon" else shape
    out = []
    lost = False
    for polygon in polygons if isinstance(polygons, list) else []:
        rings = [corners_of(r) for r in polygon] if isinstance(polygon, list) else []
        lost |= not rings or any(ring is None for ring in rings)
        if rings and rings[0] is not None:  # holes without their outer ring are nothing
            out += [ring for ring in rings if ring is not None]
    if out and lost:
        broken.mend(label, "its outline has a part of fewer than three corners, which is left out")
    return out


def _kind(row: Row) -> str:
    properties = object_of(row.get("properties"))
    said = properties.get("objectType") or properties.get("object_type")
    return _kind_of(str(said), True) if said else _kind_of(str(row.get("id")), False)


@lru_cache
def _kind_of(said: str, is_word: bool) -> str:
    word = re.sub(r"[^a-z]", "", said.lower())
    if not is_word:
        word = re.sub(r"^(?:path)?([a-z]+)object$", r"\1", word)
    # Files without QuPath's word for it come from elsewhere, and are nuclei all the same.
    return word if word in KINDS else "object"


def _chosen(found: list[_Found], left: Counter[str]) -> list[_Found]:
    """Return what is taken for nuclei: the most likely kind that there is."""
    kinds = {f.kind for f in found}
    for wanted in ({"detection", "cell", "object"}, {"annotation"}, {"tile"}):
        if kinds & wanted:
            break
    for f in found:
        if f.kind not in wanted:
            left[LEFT[f.kind]] += 1
    return [f for f in found if f.kind in wanted]


def _image(about: Any) -> ImageRecord | None:
    about = object_of(about)
    height, width, name = (
        whole(about.get("height")),
        whole(about.get("width")),
        about.get("file_name"),
    )
    if not height or not width or min(height, width) < 1 or not isinstance(name, str):
        return None
    return ImageRecord(1, name, height, width)


def _ids(rows: list[Row]) -> list[int]:
    """Return the ids of this project's own objects, and new ones for copies and others."""
    seen: set[int] = set()
    out: list[int | None] = []
    for row in rows:
        text = str(row.get("id") or object_of(row.get("properties")).get("id"))
        ours = text.startswith(MARK) and re.fullmatch(r"[0-9a-f-]{36}", text)
        id = int(text[-8:], 16) if ours else 0
        new = 0 < id < 2**31 and id not in seen
        seen |= {id} if new else set()
        out.append(id if new else None)
    free = iter(range(max(seen, default=0) + 1, 2**31))
    return [next(free) if id is None else id for id in out]
