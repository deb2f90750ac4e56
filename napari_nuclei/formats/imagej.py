"""ImageJ's ROIs: one image's nuclei as a zip of outlines, or a single .roi file."""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..atomic_files import replacing, unreadable
from ..errors import FormatError
from ..masks.outlines import trace
from ..nuclei import NUCLEUS, ImageRecord, Kind, Nuclei, Nucleus, Origin, State
from . import archives
from .broken import Broken
from .categories import Category
from .numbers import number
from .outlined import FAR, Outlines
from .paths import CLOSE, LINE, MOVE, rings_of
from .sidecar import Sidecar, stem_of

if TYPE_CHECKING:
    from roifile import ROI_SUBTYPE, ImagejRoi

LIMIT = 1 << 28
"""Bytes of one ROI that are read at most."""

MAX_GROUPS = 255
"""The highest number of a group."""


def write(path: Path, image: ImageRecord, nuclei: Nuclei, sidecar: Sidecar) -> None:
    """Write the nuclei that are shown, one ROI each, as ImageJ's ROI Manager opens them.

    Outlines of one ring become traced ROIs, those with holes or of several parts composite
    ones. The id is the name; score, state and category are properties of the ROI, the id of the
    category is its group.

    Raises
    ------
    UserError
        If the file cannot be written.
    """
    rows = list(nuclei.shown())
    rings = trace([n.mask for n in rows])
    ends = np.cumsum(rings.sizes)
    parts: list[list[Any]] = [[] for _ in rows]
    for end, size, owner in zip(ends, rings.sizes, rings.owner.tolist(), strict=True):
        parts[owner].append(rings.points[end - size : end])
    digits = len(str(max((n.id for n in rows), default=1)))
    plane = image.extra.get("plane")
    position = plane[0] + 1 if isinstance(plane, list) and len(plane) == 1 else 0
    with (
        replacing(path) as stream,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, True, 1) as z,
    ):
        for nucleus, outline in zip(rows, parts, strict=True):
            if outline:
                name = f"{nucleus.id:0{digits}d}"
                roi = _roi(nucleus, name, outline, position)
                _set_category(roi, nucleus.category, sidecar.categories.get(nucleus.category))
                z.writestr(f"{name}.roi", roi.tobytes())


def _set_category(roi: ImagejRoi, name: str, category: Category | None) -> None:
    if name == NUCLEUS:
        return
    roi.props += f"category: {' '.join(name.split())}\n"
    if category is not None and 0 < category.id <= MAX_GROUPS:
        roi.group = category.id
    if category is not None and category.colour:
        roi.stroke_color = bytes((255, *category.colour))


def _roi(nucleus: Nucleus, name: str, rings: list[Any], position: int) -> ImagejRoi:
    from roifile import ROI_TYPE, ImagejRoi

    y0, x0, y1, x1 = nucleus.mask.box
    roi = ImagejRoi(
        name=name,
        top=y0,
        left=x0,
        bottom=y1,
        right=x1,
        position=position,
        props=f"score: {nucleus.score:.6g}\nstate: {nucleus.state.value}\n",
    )
    if len(rings) == 1 and max(y1, x1) < 1 << 15:
        roi.roitype = ROI_TYPE.TRACED
        roi.integer_coordinates = (rings[0] - [x0, y0]).astype(np.int32)
        roi.n_coordinates = len(rings[0])
        return roi
    roi.roitype = ROI_TYPE.RECT
    steps: list[float] = []
    for ring in rings:
        for step, (x, y) in zip([MOVE, *[LINE] * (len(ring) - 1)], ring.tolist(), strict=True):
            steps += [step, x, y]
        steps.append(CLOSE)
    roi.multi_coordinates = np.array(steps, np.float32)
    roi.shape_roi_size = len(steps)
    return roi


# -- reading ----------------------------------------------------------------------------


def read(path: Path, sidecar: Sidecar) -> tuple[ImageRecord, Nuclei]:
    """Read ROIs that have an area; lines, points and texts are left out, with a remark.

    Raises
    ------
    UserError
        If it is no such file, no ROI can be used, or the size of the image is not known.
    """
    broken = Broken(str(path), sidecar.on_broken, "ROI")
    found, total = _rois(path, broken)
    if _planes([roi for _, roi in found]) > 1:
        raise FormatError(f"{path} has ROIs on several planes of a stack: save one plane at a time")
    outlines = Outlines()
    kept: list[ImagejRoi] = []
    left: Counter[str] = Counter()
    for name, roi in found:
        if _has_no_area(roi):
            holds = roi.subtype in _no_shapes()
            left[(roi.subtype.name if holds else roi.roitype.name).lower()] += 1
        elif rings := _rings(roi):
            outlines.add(name, rings)
            kept.append(roi)
        else:
            broken.leave_out(name, "has no outline of three corners or more")
    if kept:
        image, masks = outlines.masks(path, stem_of(path), sidecar, broken, None)
    for kind, count in left.items():
        sidecar.remarks.append(
            f"{path.name}: {count:,} ROIs of type {kind}, which have no area, are left out."
        )
    broken.tell(total)
    if not (kept and any(masks)):
        raise FormatError(f"{path} holds no ROI that has an area, so there is no nucleus in it")
    ids = _ids([roi.name for roi in kept])
    rows = (
        _nucleus(id, mask, roi, path, sidecar)
        for roi, mask, id in zip(kept, masks, ids, strict=True)
        if mask
    )
    return image, Nuclei(image.shape, rows)


def _rois(path: Path, broken: Broken) -> tuple[list[tuple[str, ImagejRoi]], int]:
    """Return the ROIs of a file with their names, and how many there are with damaged ones."""
    from roifile import ImagejRoi

    out: list[tuple[str, ImagejRoi]] = []

    def parse(name: str, data: bytes) -> None:
        try:
            roi = ImagejRoi.frombytes(data)
        except Exception:  # what roifile raises for damaged bytes has no common base
            broken.leave_out(name, "is damaged")
            return
        roi.name = roi.name or Path(name).stem
        out.append((name, roi))

    if not zipfile.is_zipfile(path):
        try:
            data = path.read_bytes()[:LIMIT]
        except OSError as error:
            raise unreadable(path, error) from error
        if data[:4] == b"PK\3\4":
            raise FormatError(f"{path} is a damaged zip file: write it again")
        parse(path.stem, data)
        return out, 1
    with archives.opened(path) as z:
        entries = archives.entries(z, ".roi")
        if not entries:
            raise FormatError(f"{path} holds no ROI: in ImageJ, save it from the ROI Manager")
        for entry in entries:
            if entry.file_size > LIMIT:
                broken.leave_out(entry.filename, "is of more than 256 MB")
                continue
            try:
                data = z.read(entry)
            except archives.DAMAGED:
                broken.leave_out(entry.filename, "is damaged")
                continue
            parse(entry.filename, data)
    return out, len(entries)


def _planes(rois: list[ImagejRoi]) -> int:
    """Return on how many planes ROIs lie, of an axis where they lie on most; 0 says on any."""
    places = ((roi.position, roi.z_position, roi.t_position) for roi in rois)
    axes = zip(*((stack or z or t, z, t) for stack, z, t in places), strict=True)
    return max((len({*along} - {0}) for along in axes), default=0)


def _has_no_area(roi: ImagejRoi) -> bool:
    from roifile import ROI_TYPE

    areas = (ROI_TYPE.POLYGON, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED, ROI_TYPE.RECT, ROI_TYPE.OVAL)
    return roi.roitype not in areas or roi.subtype in _no_shapes()


def _rings(roi: ImagejRoi) -> list[Any]:
    """Return the outlines of a ROI; none if they are damaged."""
    from roifile import ROI_TYPE

    try:
        if roi.roitype is ROI_TYPE.OVAL:
            rings = [_ellipse(roi)]
        elif roi.multi_coordinates is not None:
            rings = rings_of(roi.multi_coordinates.tolist())
        else:
            rings = [roi.coordinates()]
        rings = [np.asarray(r, float).reshape(-1, 2) for r in rings if len(r) > 2]
    except Exception:  # as for damaged bytes
        return []
    return rings if all((np.abs(r) < FAR).all() for r in rings) else []


def _no_shapes() -> tuple[ROI_SUBTYPE, ...]:
    """Return the kinds of rectangles that only hold something."""
    from roifile import ROI_SUBTYPE

    return ROI_SUBTYPE.TEXT, ROI_SUBTYPE.IMAGE


def _ellipse(roi: ImagejRoi) -> Any:
    angles = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    half = np.array([roi.right - roi.left, roi.bottom - roi.top]) / 2
    circle = np.stack([np.cos(angles), np.sin(angles)], 1)
    return np.array([roi.left, roi.top]) + half + half * circle


def _ids(names: list[str]) -> list[int]:
    """Take names that are numbers as ids, the first time that they come; others get new ones."""
    seen: set[int] = set()
    out: list[int | None] = []
    for name in names:
        id = int(name) if re.fullmatch(r"[0-9]{1,9}", name.strip()) else 0
        new = id > 0 and id not in seen
        seen |= {id} if new else set()
        out.append(id if new else None)
    free = iter(range(max(seen, default=0) + 1, 2**31))
    return [next(free) if id is None else id for id in out]


def _nucleus(id: int, mask: Any, roi: ImagejRoi, path: Path, sidecar: Sidecar) -> Nucleus:
    score, state = 1.0, State.PROPOSED
    group = int(roi.group or 0)
    category = f"group {group}" if group else NUCLEUS
    for key, _, value in (line.partition(":") for line in roi.props.splitlines()):
        if key == "score" and (said := number(value)) is not None:
            score = min(max(said, 0.0), 1.0)
        if key == "state":
            state = next((s for s in State if s.value == value.strip()), state)
        if key == "category":
            category = value.strip() or category
    if group:
        colour = [*roi.stroke_color[1:4]]
        extra = {"color": colour} if any(roi.stroke_color) else {}
        sidecar.categories.setdefault(category, Category(group, category, extra))
    origin = Origin(Kind.IMPORT, path.name)
    return Nucleus(id, mask, score, state, origin, category=category)
