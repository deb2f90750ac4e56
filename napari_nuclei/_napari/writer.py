"""Writers: a Labels layer → COCO data set, results list or label TIFF.

Here: which nuclei a layer stands for. Not here: file formats (`formats/`), the widget's own
export (`export.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from napari.utils.notifications import show_info
from numpy.typing import NDArray

from ..errors import UserError
from ..formats import coco, label_tiff, results
from ..formats.files import replacing
from ..review import Review
from .record import KEY, Record, nuclei_of
from .strokes import by_plane, differences, take


def write_coco(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write a Labels layer as a COCO data set, one image for each plane."""
    coco.write(path, record_of(data, meta).data_set())
    return [path]


def write_results(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write a Labels layer as a results list, with the image ids of its record."""
    found = record_of(data, meta).data_set()
    results.write(path, {image.id: found.of(image) for image in found.images})
    return [path]


def write_label_tiff(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write a Labels layer as a label TIFF: value = id, one page for each plane."""
    record = record_of(data, meta)
    if record.stack:
        import tifffile

        with replacing(path) as stream:
            # Without a word on colours, three planes would be taken for RGB.
            tifffile.imwrite(stream, record.draw(), photometric="minisblack", compression="zlib")
        return [path]
    lost = label_tiff.write(path, record.review().nuclei)
    if lost:
        show_info(
            f"{lost:,} px of nuclei that lie below others are not in {Path(path).name}: "
            "a label image has one nucleus for each pixel. COCO keeps them all."
        )
    return [path]


def record_of(data: Any, meta: dict[str, Any]) -> Record:
    """Return the record whose nuclei a Labels layer shows.

    For a review layer that is its own record: the pixels are only a view of it. A layer that
    was read as one, but has not been shown by a session yet, may have been painted on: what
    differs is taken as strokes. Any other layer is read as a label image.

    Raises
    ------
    UserError
        If it cannot be read as one.
    """
    record = (meta.get("metadata") or {}).get(KEY)
    if not isinstance(record, Record):
        return _foreign(np.asarray(data), str(meta.get("name") or "labels"))
    if record.shown:
        return record
    copy = record.copy()
    shown, drawn = np.asarray(data), copy.draw()
    if shown.shape != drawn.shape:
        raise UserError("The layer is not of its image's size any more: it cannot be saved.")
    planes = [(p, drawn[p]) for p in np.ndindex(*shown.shape[:-2])]
    for plane, pixels in by_plane(differences(shown, planes)):
        take(copy.review(plane), pixels, "paint")
    return copy


def _foreign(data: NDArray[Any], name: str) -> Record:
    if data.ndim < 2:
        raise UserError(f"“{name}” has fewer than two dimensions: it is no label image.")
    stack = data.shape[:-2]
    record = Record((data.shape[-2], data.shape[-1]), name, stack=stack)
    for plane in np.ndindex(*stack):
        if not stack or data[plane].any():
            record.reviews[plane] = Review(nuclei_of(data[plane], name))
    return record
