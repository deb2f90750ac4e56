"""What the key `segmentation` of COCO files holds → `Mask`."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from ..masks import Mask
from ..masks.codec import decode
from .numbers import is_whole, number, whole

Shape = tuple[int, int]

NO_POLYGON = "its polygon is not a list x, y, x, y, … of three corners or more"


def read_all(
    segmentations: Sequence[Any], shape: Shape, mended: dict[int, str] | None = None
) -> list[Mask | str]:
    """Read the segmentations of one image's objects.

    Parameters
    ----------
    mended : dict of int to str, optional
        Takes what was mended, by the place in the sequence; without it that is wrong.

    Returns
    -------
    list of Mask or str
        In the same order; a text says what is wrong with that one.
    """
    # Nearly all files hold nothing but sound compressed code, which is read at once.
    size = [*shape]
    plain = [k for k, s in enumerate(segmentations) if _is_compressed(s) and s["size"] == size]
    sound = _decoded([segmentations[k]["counts"] for k in plain], shape)
    out: list[Mask | str] = [""] * len(segmentations)
    for k, mask in zip(plain, sound, strict=True):
        out[k] = mask or ""
    drawn: dict[int, bytes] = {}
    for k in (k for k, found in enumerate(out) if isinstance(found, str)):
        notes: list[str] = []
        found = _read(segmentations[k], shape, notes)
        if notes and not isinstance(found, str):
            if mended is None:
                found = notes[0]
            else:
                mended[k] = notes[0]
        if isinstance(found, bytes):
            drawn[k] = found
        else:
            out[k] = found
    # The code of polygons too is decoded many times as fast at once.
    for k, mask in zip(drawn, _decoded([*drawn.values()], shape), strict=True):
        out[k] = "its polygon cannot be drawn" if mask is None else mask
    return out


def _decoded(codes: Sequence[str | bytes], shape: Shape) -> list[Mask | None]:
    """Decode all at once; None for those that are broken, which are looked for by halves."""
    try:
        return [*decode(codes, shape)]
    except ValueError:
        half = len(codes) // 2
        return [None] if not half else _decoded(codes[:half], shape) + _decoded(codes[half:], shape)


def _is_compressed(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("counts"), str) and "size" in value


def _read(value: Any, shape: Shape, notes: list[str]) -> Mask | bytes | str:
    """Return a mask, or the compressed code of one; a text says what is wrong."""
    try:
        if isinstance(value, dict):
            return _from_rle(value, shape, notes)
        if isinstance(value, list) and value:
            return _from_polygons(value, shape, notes)
    except (ValueError, TypeError, OverflowError) as error:
        return str(error)
    return "it has neither run lengths nor a polygon as its segmentation"


def size_of(value: Any) -> Shape | None:
    """Return the height and width that run lengths give for their image, if they do."""
    size = value.get("size") if isinstance(value, dict) else None
    if isinstance(size, list) and len(size) == 2:
        height, width = map(whole, size)
        if height and width and min(height, width) > 0:
            return height, width
    return None


def _from_rle(value: dict[str, Any], shape: Shape, notes: list[str]) -> Mask:
    size = size_of(value)
    if size is None:
        raise ValueError("its run lengths do not say for which size [height, width] they are")
    if not all(map(is_whole, value["size"])):
        notes.append("its size is text")
    if size != shape:
        raise ValueError(
            f"its mask is {size[0]}×{size[1]} (height × width), its image {shape[0]}×{shape[1]}"
        )
    counts = value.get("counts")
    if isinstance(counts, str) and counts[:2] in ("b'", 'b"'):  # bytes that were printed as text
        counts = _bytes_of(counts)
    if isinstance(counts, list) and not all(is_whole(v) for v in counts):
        counts = _whole_of(counts, notes)
    if not isinstance(counts, (str, bytes, list)):
        raise ValueError("its run lengths (counts) are missing")
    try:
        return Mask.from_coco({"size": size, "counts": counts})
    except (ValueError, OverflowError) as error:
        raise ValueError(f"its mask cannot be decoded: {error}") from error


def _bytes_of(printed: str) -> Any:
    try:
        return ast.literal_eval(printed)
    except SyntaxError:
        return printed


def _whole_of(counts: list[Any], notes: list[str]) -> list[int]:
    found = [whole(v) for v in counts]
    if None in found:
        raise ValueError("its run lengths are not all whole numbers")
    notes.append("its run lengths are text")
    return [v for v in found if v is not None]


def _from_polygons(rings: list[Any], shape: Shape, notes: list[str]) -> bytes:
    """Return the compressed code of one object drawn by one or several rings."""
    from pycocotools import mask as coco_rle

    if not isinstance(rings[0], list):
        rings = [rings]  # some tools leave out the outer list
    outlines = []
    for ring in rings:
        corners = _corners(ring, notes)
        if corners is None:
            continue
        # pycocotools walks along the outline pixel by pixel, and would not come to an end.
        if not (np.abs(corners) <= 10 * max(shape)).all():
            if np.isnan(corners).any():
                raise ValueError("its polygon has corners that are not numbers")
            raise ValueError("its polygon has corners far outside the image")
        outlines.append(corners.tolist())
    if not outlines:
        raise ValueError(NO_POLYGON)
    if len(outlines) < len(rings):
        notes.append("its polygon has a part of fewer than three corners, which is left out")
    height, width = shape
    codes = coco_rle.frPyObjects(outlines, height, width)
    code = coco_rle.merge(codes) if len(codes) > 1 else codes[0]
    return bytes(code["counts"])


def _corners(ring: Any, notes: list[str]) -> Any:
    """Return a ring's corners x, y, x, y, …; None if there are fewer than three."""
    if isinstance(ring, list) and ring and all(isinstance(p, list) and len(p) == 2 for p in ring):
        notes.append("its polygon has its corners as pairs")
        ring = [v for pair in ring for v in pair]
    if not isinstance(ring, list) or len(ring) < 6 or len(ring) % 2:
        return None
    with suppress(ValueError, OverflowError):  # nested, or beyond 64 bits: as is found out below
        if (plain := np.array(ring)).ndim == 1 and plain.dtype.kind in "iuf":
            return plain.astype(float)
    if any(isinstance(v, str) for v in ring):
        ring = [v if (as_number := number(v)) is None else as_number for v in ring]
        notes.append("its polygon has numbers as text")
    try:
        return np.array(ring, float)
    except (TypeError, ValueError):
        raise ValueError("its polygon has corners that are not numbers") from None
