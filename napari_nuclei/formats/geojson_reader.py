"""GeoJSON, as QuPath and others write it → one image's nuclei.

Here: which features are nuclei, and what they say. Not here: writing (`geojson.py`), filling
outlines (`outlined.py`).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError
from ..nuclei import NUCLEUS, Crowd, Kind, Nuclei, Nucleus, Origin, State
from .archives import json_of
from .beside import Beside, stem_of
from .broken import Broken
from .categories import Category, colour_of
from .dataset import ImageRecord
from .geojson import CLASS, IGNORED, MARK, NAMESPACE, Row
from .numbers import number, whole
from .outlined import Outlines, corners_of
from .structure import GEOMETRIES

OUTLINE = "its outline is not a list of three corners [x, y] or more in px"

KINDS = ("detection", "cell", "annotation", "tile", "tmacore", "root")
"""QuPath's words for an object; older versions have ``PathTileObject`` and the like as its id."""

LEFT = {
    "annotation": "that are annotations, taken for regions",
    "tile": "that are tiles",
    "tmacore": "that are cores of a TMA",
    "root": "that stand for the whole image",
}

SCORES = ("score", "detection probability", "probability", "class probability", "confidence")
"""Measurements and properties that are taken as the score, the first ones before the others, and
any other probability after them."""


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
        return self.kind == "cell" and not _object(self.row.get("nucleusGeometry"))

    @property
    def is_ignored(self) -> bool:
        """Whether it is an area that is to be ignored."""
        return self.kind == "annotation" and _class(self.row)[0] == IGNORED


def read(path: Path, beside: Beside) -> tuple[ImageRecord, Nuclei]:
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
    broken = Broken(str(path), beside.on_broken, "feature")
    left: Counter[str] = Counter()
    found = _with_outlines(features, path, broken, left)
    ignored = [f for f in found if f.is_ignored]
    chosen = _chosen([f for f in found if not f.is_ignored], left)
    for what, count in left.items():
        beside.remarks.append(f"{path.name}: {count:,} features {what} are left out.")
    if bare := sum(f.is_bare_cell for f in chosen):
        beside.remarks.append(f"{path.name}: {bare:,} cells have no nucleus: taken as a whole.")
    if features and not (chosen or ignored):
        broken.tell(len(features))
        kinds = "; ".join(f"{count:,} {what}" for what, count in left.items())
        raise UserError(f"{path} has no outline of a nucleus: its features are {kinds}")
    outlines = Outlines()
    for each in (*chosen, *ignored):
        outlines.add(each.label, each.rings)
    about = value.get(NAMESPACE) if isinstance(value, dict) else None
    stem = stem_of(path if name == path.name else Path(name))
    image, masks = outlines.masks(path, stem, beside, broken, _image(about))
    reader = _Reader(path, beside, broken)
    ids = _ids([f.row for f in chosen])
    rows = [
        reader.nucleus(id, mask, f) for f, mask, id in zip(chosen, masks, ids, strict=False) if mask
    ]
    areas = zip(ignored, masks[len(chosen) :], strict=True)
    crowds = tuple(Crowd(mask, _category_in(f.row)) for f, mask in areas if mask)
    broken.tell(len(features))
    return image, Nuclei(image.shape, rows, crowds=crowds)


def _features(value: Any, path: Path) -> list[Any]:
    if isinstance(value, dict) and value.get("type") in GEOMETRIES:
        return [{"type": "Feature", "geometry": value}]
    if isinstance(value, dict) and value.get("type") == "Feature":
        return [value]
    features = value.get("features") if isinstance(value, dict) else value
    if not isinstance(features, list):
        raise UserError(f"{path} is not GeoJSON: it has no list of features")
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
        plane = _object(geometry.get("plane"))
        if what not in ("tmacore", "root"):
            planes.add((plane.get("z", 0), plane.get("t", 0)))
    if len(planes) > 1:
        raise UserError(
            f"{path} has objects on {len(planes)} planes of a stack: export one plane at a time"
        )
    return found


def _geometry(row: Any) -> Row:
    row = _object(row)
    return _object(row.get("nucleusGeometry")) or _object(row.get("geometry"))


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
    properties = _object(row.get("properties"))
    said = properties.get("objectType") or properties.get("object_type")
    word = re.sub(r"[^a-z]", "", str(said or row.get("id")).lower())
    if not said:
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
    about = _object(about)
    height, width, name = (
        whole(about.get("height")),
        whole(about.get("width")),
        about.get("file_name"),
    )
    if not height or not width or min(height, width) < 1 or not isinstance(name, str):
        return None
    return ImageRecord(1, name, height, width)


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


@dataclass(slots=True)
class _Reader:
    """Makes nuclei of features."""

    path: Path
    beside: Beside
    broken: Broken

    def nucleus(self, id: int, mask: Any, found: _Found) -> Nucleus:
        properties = _object(found.row.get("properties"))
        name = properties.get("name")
        note = name if isinstance(name, str) and not re.fullmatch(r"Nucleus \d+", name) else ""
        said = str(_object(properties.get("metadata")).get("Origin", ""))
        kind, _, model = said.partition(" ")
        if kind in (Kind.MODEL.value, Kind.HAND.value, Kind.IMPORT.value):
            origin = Origin(Kind(kind), model)
        else:
            origin = Origin(Kind.IMPORT, self.path.name)
        category, state = _class(found.row)
        self._note_colour(category, properties)
        score = self._score(properties, found.label)
        return Nucleus(id, mask, score, state, origin, note=note, category=category)

    def _score(self, properties: Row, label: str) -> float:
        said = _scores(properties)
        score = next((said[key] for key in (*SCORES, *said) if key in said), 1.0)
        if not 0 <= score <= 1:
            self.broken.mend(label, f"its score {score:g} is not a number from 0 to 1: cut")
        return min(max(score, 0.0), 1.0)

    def _note_colour(self, category: str, properties: Row) -> None:
        known = self.beside.categories
        if category == NUCLEUS or category in known:
            return
        of = _object(properties.get("classification"))
        colour = colour_of(of.get("color", of.get("colorRGB")))
        extra = {"color": list(colour)} if colour else {}
        known[category] = Category(len(known) + 1, category, extra)


def _scores(properties: Row) -> dict[str, float]:
    """Read all that could be a score: measurements, also as older versions list them."""
    value = properties.get("measurements")
    if isinstance(value, list):
        value = {str(m.get("name")): m.get("value") for m in value if isinstance(m, dict)}
    out: dict[str, float] = {}
    for source in (_object(value), properties):
        for name, said in source.items():
            key = re.sub(r"[_\s]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", str(name))).lower()
            is_score = key in SCORES or key.endswith("probability")
            if is_score and (score := number(said)) is not None:
                out.setdefault(key, score)
    return out


def _class(row: Row) -> tuple[str, State]:
    """Read category and state of the class; the state is its last part, as set in QuPath too."""
    of = _object(row.get("properties")).get("classification")
    names = _object(of).get("names")
    if not isinstance(names, list):
        said = _object(of).get("name") if isinstance(of, dict) else of
        names = re.split(r"\s*:\s*", said) if isinstance(said, str) and said.strip() else []
    parts = [str(name).strip() for name in names]
    last = parts[-1].lower() if parts else ""
    state = next((s for s in State if s.value == last), None)
    if state is None:
        return ": ".join(parts) or NUCLEUS, State.PROPOSED
    rest = ": ".join(parts[:-1])
    return NUCLEUS if rest in ("", CLASS) else rest, state


def _category_in(row: Row) -> str:
    said = _object(_object(row.get("properties")).get("metadata")).get("Category")
    return said if isinstance(said, str) and said else NUCLEUS
