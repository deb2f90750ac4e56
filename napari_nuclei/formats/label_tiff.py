"""Label images as TIFF: value = nucleus id, 0 = background."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..atomic_files import replacing
from ..errors import FormatError
from ..nuclei import Nuclei
from ..nuclei.labels import draw

SOFTWARE = "napari-nuclei"
"""Who has written a file, by a tag of TIFF's own; such a file knows the name of its image."""


def write(
    path: str | os.PathLike[str],
    nuclei: Nuclei,
    pixel_size: float | None = None,
    image_name: str = "",
) -> int:
    """Write the nuclei that are shown as a label image.

    Parameters
    ----------
    path : path
        In a folder that exists. Written whole or not at all; 16-bit where the ids fit,
        32-bit otherwise.
    nuclei : Nuclei
        Where they overlap, the one drawn on top is written.
    pixel_size : float, optional
        Side of a pixel in µm, which ImageJ takes as its scale.
    image_name : str
        What the image is called, for `image_name_in`.

    Returns
    -------
    int
        Pixels of nuclei that lie below others, which a label image cannot hold.

    Raises
    ------
    UserError
        If the file cannot be written.
    """
    import tifffile

    labels = drawn(path, nuclei)
    highest = int(labels.max(initial=0))
    labels = labels.astype(np.uint16 if highest <= np.iinfo(np.uint16).max else np.uint32)
    with replacing(path) as stream:
        tifffile.imwrite(
            stream,
            labels,
            compression="zlib",
            software=SOFTWARE,
            extratags=_called(image_name),
            **_scale(labels, pixel_size),
        )
    return sum(n.mask.area for n in nuclei.shown()) - int(np.count_nonzero(labels))


def _called(image_name: str) -> list[tuple[int, int, int, bytes, bool]]:
    """Return the tag DocumentName."""
    text = image_name.encode("utf-8", "replace").replace(b"\0", b"") + b"\0"
    return [(269, 2, len(text), text, True)] if image_name else []


def image_name_in(path: Path) -> str:
    """Return what a label image that this program wrote says of its image's name; else nothing."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            ours = str(page.software) == SOFTWARE
            tag = page.tags.get(269) if ours else None
            return "" if tag is None else str(tag.value)
    except Exception:  # what tifffile raises for damaged files has no common base
        return ""


def drawn(path: str | os.PathLike[str], nuclei: Nuclei) -> NDArray[np.int32]:
    """Draw the nuclei that are shown into a label image of the whole image.

    Raises
    ------
    UserError
        If that takes more memory than there is.
    """
    import psutil

    height, width = nuclei.shape
    needed = 6 * height * width  # as drawn, and as written
    if needed < psutil.virtual_memory().available:
        with suppress(MemoryError):
            return draw(nuclei)
    raise FormatError(
        f"cannot write {path}: a label image of {height}×{width} px needs {needed / 2**30:.1f} "
        "GB of memory, more than is free; write COCO, GeoJSON or the Data Science Bowl's run "
        "lengths, which are small"
    )


def _scale(labels: np.ndarray[Any, Any], pixel_size: float | None) -> dict[str, Any]:
    """Return what tells ImageJ and others how large a pixel is."""
    # ImageJ's own words for its readers; tifffile writes them for 8 and 16 bits only.
    words = f"ImageJ=1.11a\nmin=0.0\nmax={float(labels.max(initial=0))}\n"
    if not pixel_size:
        return {"description": words, "metadata": None}
    per_pixel = (1 / pixel_size, 1 / pixel_size)
    words += "unit=micron\n"
    return {
        "description": words,
        "metadata": None,
        "resolution": per_pixel,
        "resolutionunit": "NONE",
    }


def read(path: str | os.PathLike[str]) -> Nuclei:
    """Read a label image; see `label_files.read`."""
    from .label_files import read as read_any

    return read_any(Path(path))
