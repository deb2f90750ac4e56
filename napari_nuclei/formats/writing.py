"""Writing a data set in any format, and saying what that format cannot hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..nuclei import NUCLEUS
from ..wording import are, counted
from .dataset import DataSet
from .format import Format, function
from .places import places


def write(path: Path, data: DataSet, format: Format, sidecar: Any) -> list[Path]:
    """Write a data set in any format.

    Parameters
    ----------
    path : path
        A file; a folder for formats with a file an image, if there are several images or the
        path has no ending.
    data : DataSet
        The nuclei that are shown are written.
    format : Format
        One with a writer.
    sidecar : Sidecar
        Takes remarks on what the format cannot hold.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    UserError
        If it cannot be written.
    """
    write_one = function(format.writer)
    sidecar.remarks += losses(path.name, data, format)
    sidecar.categories |= {category.name: category for category in data.all_categories}
    if not format.per_image:
        written = write_one(path, data, sidecar)
        return written if isinstance(written, list) else [path]
    paths = places(path, data.images, format)
    for image, place in zip(data.images, paths, strict=True):
        write_one(place, image, data.of(image), sidecar)
    return paths


def losses(name: str, data: DataSet, format: Format) -> list[str]:
    """Say what of a data set a format has no place for, a line each.

    Parameters
    ----------
    name : str
        What is written.
    """
    out = []
    classes = [c for c in data.in_use if c != NUCLEUS]
    if classes and not format.categories:
        listed = ", ".join(classes[:3]) + ", …" * (len(classes) > 3)
        out.append(
            f"{name}: categories ({listed}) are left out: this format has none. COCO keeps them."
        )
    if (count := data.crowds) and not format.crowds:
        out.append(
            f"{name}: {counted(count, 'area')} to ignore {are(count)} left out (iscrowd): this "
            "format cannot hold them. COCO and GeoJSON can."
        )
    return out
