"""What the key `segmentation` of COCO files holds → `Mask`.

Here: compressed and plain run lengths, polygons, and what is wrong with them. Not here: the
files they stand in (`coco.py`, `results.py`).
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..codec import decode
from ..mask import Mask

Shape = tuple[int, int]


def read_all(segmentations: Sequence[Any], shape: Shape) -> list[Mask | str]:
    """Read the segmentations of one image's objects.

    Returns
    -------
    list of Mask or str
        In the same order; a text says what is wrong with that one.
    """
    # Nearly all files hold nothing but sound compressed code, which is read at once.
    if all(_is_compressed(s) and s["size"] == [*shape] for s in segmentations):
        try:
            return [*decode([s["counts"] for s in segmentations], shape)]
        except ValueError:
            pass  # one is broken: find out which
    return [_read(s, shape) for s in segmentations]


def _is_compressed(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("counts"), str) and "size" in value


def _read(value: Any, shape: Shape) -> Mask | str:
    try:
        if isinstance(value, dict):
            return _from_rle(value, shape)
        if isinstance(value, list) and value:
            return _from_polygons(value, shape)
    except (ValueError, TypeError, OverflowError) as error:
        return str(error)
    return "it has neither run lengths nor a polygon as its segmentation"


def size_of(value: Any) -> Shape | None:
    """Return the height and width that run lengths give for their image, if they do."""
    size = value.get("size") if isinstance(value, dict) else None
    if isinstance(size, list) and len(size) == 2 and all(is_whole(v) and v > 0 for v in size):
        return int(size[0]), int(size[1])
    return None


def is_whole(value: Any) -> bool:
    """Whether a value read from JSON is a whole number."""
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int) and not isinstance(value, bool)


def _from_rle(value: dict[str, Any], shape: Shape) -> Mask:
    size = size_of(value)
    if size is None:
        raise ValueError("its run lengths do not say for which size [height, width] they are")
    if size != shape:
        raise ValueError(
            f"its mask is {size[0]}×{size[1]} (height × width), its image {shape[0]}×{shape[1]}"
        )
    counts = value.get("counts")
    if isinstance(counts, str) and counts[:2] in ("b'", 'b"'):  # bytes that were printed as text
        counts = _bytes_of(counts)
    if isinstance(counts, list) and not all(is_whole(v) for v in counts):
        raise ValueError("its run lengths are not all whole numbers")
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


def _from_polygons(rings: list[Any], shape: Shape) -> Mask:
    """Read one object drawn by one or several rings."""
    from pycocotools import mask as coco_rle

    if not isinstance(rings[0], list):
        rings = [rings]  # some tools leave out the outer list
    outlines = []
    for ring in rings:
        if not isinstance(ring, list) or len(ring) < 6 or len(ring) % 2:
            raise ValueError("its polygon is not a list x, y, x, y, … of three corners or more")
        try:
            corners = np.array(ring, float)
        except (TypeError, ValueError):
            raise ValueError("its polygon has corners that are not numbers") from None
        # pycocotools walks along the outline pixel by pixel, and would not come to an end.
        if not (np.abs(corners) <= 10 * max(shape)).all():
            raise ValueError("its polygon has corners far outside of the image")
        outlines.append(corners.tolist())
    height, width = shape
    rle = coco_rle.merge(coco_rle.frPyObjects(outlines, height, width))
    return Mask.from_coco(rle)
