"""Writer: a Labels layer → a file of any format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from napari.utils.notifications import show_info, show_warning
from numpy.typing import NDArray

from ...atomic_files import replacing
from ...errors import UserError
from ...formats.registry import by_ending
from ...formats.writing import write as write_file
from ...review import Review
from ...wording import Place, read_here
from ..layers.record import KEY, Record, nuclei_and_remark
from ..layers.strokes import apply_pixels, by_plane, differences
from ..layers.viewport import is_part
from .export import sidecar_of


@read_here(Place.WINDOW)
def write(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write a Labels layer in the format that the ending of the path says.

    Raises
    ------
    UserError
        If it cannot be written, or a stack in a format with a file a plane.
    """
    format = by_ending(path)
    if format is None:
        raise UserError(f"The extension of {Path(path).name} names no format: choose another one.")
    record = record_of(data, meta)
    if record.stack and format.name == "labels":
        return _write_stack(path, record)
    found = record.data_set()
    if format.per_image and len(found.images) > 1:
        raise UserError(
            f"{format.title} has one file per plane, and {len(found.images)} planes have nuclei: "
            "save a COCO data set, or export the plane in view from the Nuclei widget."
        )
    sidecar = sidecar_of(record, None)
    write_file(Path(path), found, format, sidecar)
    for remark in dict.fromkeys(sidecar.remarks):
        show_info(remark)
    return [path]


def _write_stack(path: str, record: Record) -> list[str]:
    """Write a label TIFF with one page for each plane: value = id."""
    import tifffile

    with replacing(path) as stream:
        # Without a word on colours, three planes would be taken for RGB.
        tifffile.imwrite(stream, record.draw(), photometric="minisblack", compression="zlib")
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
    if record.shown or is_part(record.layer_shape):
        return record
    copy = record.copy()
    shown, drawn = np.asarray(data), copy.draw()
    if shown.shape != drawn.shape:
        raise UserError("The layer no longer has the size of its image: it cannot be saved.")
    planes = [(p, drawn[p]) for p in np.ndindex(*shown.shape[:-2])]
    for plane, pixels in by_plane(differences(shown, planes)):
        apply_pixels(copy.review(plane), pixels, "paint")
    return copy


def _foreign(data: NDArray[Any], name: str) -> Record:
    if data.ndim < 2:
        raise UserError(f"“{name}” has fewer than two dimensions: it is not a label image.")
    stack = data.shape[:-2]
    record = Record((data.shape[-2], data.shape[-1]), name, stack=stack)
    remarks = []
    for plane in np.ndindex(*stack):
        if not stack or data[plane].any():
            nuclei, remark = nuclei_and_remark(data[plane], name)
            record.reviews[plane] = Review(nuclei)
            remarks += [remark] if remark else []
    if remarks:
        show_warning(f"“{name}” {remarks[0]}, and each value is saved as one nucleus.")
    return record
