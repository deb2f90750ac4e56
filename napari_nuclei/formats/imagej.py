"""ImageJ's ROIs: one image's nuclei as a zip of outlines, or a single .roi file.

Here: ROIs ↔ nuclei. Not here: the bytes of a ROI (the library roifile), how outlines are followed
and filled (`outlines.py`).
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UserError
from ..nuclei import Kind, Nuclei, Nucleus, Origin, State
from ..outlines import Rings, fill, trace
from .beside import Beside, stem_of
from .dataset import ImageRecord
from .files import replacing, unreadable

if TYPE_CHECKING:
    from roifile import ROI_SUBTYPE, ImagejRoi

MOVE, LINE, CLOSE = 0.0, 1.0, 4.0
"""The steps of a path of several rings, as java.awt.geom.PathIterator numbers them."""

LIMIT = 1 << 28
"""Bytes of one ROI that are read at most."""


def write(path: Path, image: ImageRecord, nuclei: Nuclei, beside: Beside) -> None:
    """Write the nuclei that are shown, one ROI each, as ImageJ's ROI Manager opens them.

    Outlines of one ring become traced ROIs, those with holes or of several parts composite
    ones. The id is the name, the score and the state are properties of the ROI.

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
                z.writestr(f"{name}.roi", _roi(nucleus, name, outline, position).tobytes())


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


def read(path: Path, beside: Beside) -> tuple[ImageRecord, Nuclei]:
    """Read ROIs that have an area; lines, points and texts are left out, with a remark.

    Raises
    ------
    UserError
        If it is no such file, a ROI is broken, or the size of the image is not known.
    """
    found = _rois(path)
    if len({_position(roi) for _, roi in found} - {0}) > 1:
        raise UserError(f"{path} has ROIs on several planes of a stack: save one plane at a time")
    kept: list[tuple[ImagejRoi, list[Any]]] = []
    left: Counter[str] = Counter()
    for name, roi in found:
        outline = _rings(roi, f"{path}: ROI {name}")
        if outline is None:
            holds = roi.subtype in _no_shapes()
            left[(roi.subtype.name if holds else roi.roitype.name).lower()] += 1
        else:
            kept.append((roi, outline))
    for kind, number in left.items():
        beside.remarks.append(
            f"{path.name}: {number:,} ROIs of type {kind}, which have no area, are left out."
        )
    each = [(k, ring) for k, (_, outline) in enumerate(kept) for ring in outline]
    points = np.concatenate([ring for _, ring in each]) if each else np.zeros((0, 2))
    rings = Rings(
        points,
        np.array([len(ring) for _, ring in each], np.int64),
        np.array([k for k, _ in each], np.int64),
    )
    wide, tall = np.ceil(points.max(0, initial=0.5) - 0.5).astype(int).tolist()
    image = beside.record(path, stem_of(path), (tall, wide))
    masks = fill(rings, len(kept), image.shape)
    rows = []
    ids = _ids([roi.name for roi, _ in kept])
    for (roi, _), mask, id in zip(kept, masks, ids, strict=True):
        if mask:
            rows.append(_nucleus(id, mask, roi, path))
        else:
            beside.remarks.append(f"{path.name}: ROI {roi.name} holds no pixel; left out.")
    return image, Nuclei(image.shape, rows)


def _rois(path: Path) -> list[tuple[str, ImagejRoi]]:
    from roifile import ImagejRoi

    def parsed(name: str, data: bytes) -> tuple[str, ImagejRoi]:
        try:
            roi = ImagejRoi.frombytes(data)
        except Exception as error:  # what roifile raises for damaged bytes has no common base
            raise UserError(f"{path}: ROI {name} is damaged: write the file again") from error
        roi.name = roi.name or Path(name).stem
        return name, roi

    try:
        if not zipfile.is_zipfile(path):
            return [parsed(path.stem, path.read_bytes()[:LIMIT])]
        with zipfile.ZipFile(path) as z:
            entries = [e for e in z.infolist() if e.filename.lower().endswith(".roi")]
            if not entries:
                raise UserError(f"{path} holds no ROI: in ImageJ, save it from the ROI Manager")
            if max(e.file_size for e in entries) > LIMIT:
                raise UserError(f"{path} holds a ROI of more than 256 MB: it is damaged")
            return [parsed(e.filename, z.read(e)) for e in entries]
    except OSError as error:
        raise unreadable(path, error) from error
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise UserError(f"{path} is a damaged zip file: write it again") from error


def _position(roi: ImagejRoi) -> int:
    return roi.position or roi.z_position or roi.t_position


def _rings(roi: ImagejRoi, name: str) -> list[Any] | None:
    """Return the outlines of a ROI; None for one without an area."""
    from roifile import ROI_TYPE, ImagejRoi

    areas = (ROI_TYPE.POLYGON, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED, ROI_TYPE.RECT, ROI_TYPE.OVAL)
    if roi.roitype not in areas or roi.subtype in _no_shapes():
        return None
    try:
        if roi.roitype is ROI_TYPE.OVAL:
            rings = [_ellipse(roi)]
        elif roi.multi_coordinates is not None:
            rings = ImagejRoi.path2coords(roi.multi_coordinates)
        else:
            rings = [roi.coordinates()]
        rings = [np.asarray(r, float).reshape(-1, 2) for r in rings if len(r) > 2]
        if not rings or not all((np.abs(r) < 1e7).all() for r in rings):
            raise ValueError
    except Exception:  # as for damaged bytes
        raise UserError(f"{name} has no outline of three corners or more: remove it") from None
    return rings


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
    """Take names that are numbers as ids, if all of them are and none comes twice."""
    numbers = [int(n) if re.fullmatch(r"[0-9]{1,9}", n) else 0 for n in names]
    if 0 in numbers or len(set(numbers)) < len(numbers):
        return list(range(1, len(names) + 1))
    return numbers


def _nucleus(id: int, mask: Any, roi: ImagejRoi, path: Path) -> Nucleus:
    score, state = 1.0, State.PROPOSED
    for key, _, value in (line.partition(":") for line in roi.props.splitlines()):
        if key == "score":
            try:
                score = min(max(float(value), 0.0), 1.0)
            except ValueError:
                continue
        if key == "state":
            state = next((s for s in State if s.value == value.strip()), state)
    return Nucleus(id, mask, score, state, Origin(Kind.IMPORT, path.name))
