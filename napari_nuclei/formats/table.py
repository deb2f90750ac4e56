"""Tables: a row a nucleus, with its state, shape and intensities, as CSV or Parquet.

A table holds no masks, so it is written and never read back.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..atomic_files import ODD, replacing
from ..errors import FormatError, UserError
from ..images.large_files import open_image
from ..masks.measure import measure
from ..nuclei import ImageRecord, Nuclei
from ..wording import counted, worded
from .dataset import DataSet
from .image_files import Located
from .image_ids import channels_of, plane_of
from .image_sizes import other_size
from .sidecar import Sidecar

if TYPE_CHECKING:
    import pandas as pd

LENGTHS = ("perimeter", "equivalent_diameter_area", "axis_major_length", "axis_minor_length")
"""Columns in px that are given in µm as well."""

LARGEST = 1 << 28
"""Px of an image that is read whole at most, for its intensities."""

AREAS = ("area", "area_convex")
"""Columns in px² that are given in µm² as well."""


def write_csv(path: Path, data: DataSet, sidecar: Sidecar) -> None:
    """Write a table of the nuclei that are shown as CSV (UTF-8, commas, points in numbers).

    Raises
    ------
    UserError
        If the file cannot be written, or an image is not of the size that its nuclei have.
    """
    # Through text, at once: pandas writes to binary streams in small pieces.
    text = _all(path, data, sidecar).to_csv(index=False, float_format="%.6g", lineterminator="\n")
    with replacing(path) as stream:
        stream.write(text.encode("utf-8", ODD))


def write_parquet(path: Path, data: DataSet, sidecar: Sidecar) -> None:
    """Write the same table as Parquet, which needs pyarrow.

    Raises
    ------
    UserError
        As `write_csv`, or if pyarrow is not installed.
    """
    if find_spec("pyarrow") is None:
        raise FormatError(
            'Parquet needs pyarrow: pip install "napari-nuclei[parquet]", or write a CSV table'
        )
    stream = io.BytesIO()
    _all(path, data, sidecar).to_parquet(stream, engine="pyarrow", index=False)
    with replacing(path) as out:
        out.write(stream.getvalue())


def _all(path: Path, data: DataSet, sidecar: Sidecar) -> pd.DataFrame:
    import pandas as pd

    frames = list(_frames(path, data, sidecar))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _frames(path: Path, data: DataSet, sidecar: Sidecar) -> Iterator[pd.DataFrame]:
    without, unscaled, images = 0, 0, len(data.images)
    located = sidecar.locate(path, data.images)
    gaps: dict[str, str] = {}
    unread: list[str] = []
    for image in data.images:
        pixels = _pixels_of(image, located, sidecar, unread)
        if pixels is None and image.file_name in located.gaps:
            without, gaps[image.file_name] = without + 1, located.gaps[image.file_name]
        size = sidecar.pixel_size_of(image)
        unscaled += size is None
        yield frame(image, data.of(image), pixels, size)
    if without:
        sidecar.remarks.append(
            f"{path.name}: no intensities for {without:,} of {counted(images, 'image')}, not "
            f"found ({Located(gaps=gaps).summary()}): "
            + worded(
                "name their folder with --images.",
                "name their folder, or of one image its file, with image=.",
                "open them in napari, and export again.",
            )
        )
    if unread:
        more = f" and {len(unread) - 1:,} more" if len(unread) > 1 else ""
        sidecar.remarks.append(f"{path.name}: no intensities for {unread[0]}{more}.")
    if unscaled:
        sidecar.remarks.append(
            f"{path.name}: lengths are in px only for {unscaled:,} of "
            f"{counted(images, 'image')}: the size of a pixel is not known"
            + worded(" (give it with --pixel-size).", " (give it with pixel_size=).", ".")
        )


def _pixels_of(image: ImageRecord, located: Located, sidecar: Sidecar, unread: list[str]) -> Any:
    """Return the pixels of an image; None, and why, if they are not to be had."""
    if (pixels := sidecar.arrays.get(image.id)) is not None:
        return pixels
    file = located.files.get(image.file_name)
    if file is None:
        return None
    if image.plane is None and plane_of(image):
        unread.append(
            f"{image.file_name}, a plane along {counted(len(plane_of(image)), 'axis', 'axes')}"
        )
        return None
    try:
        picture = open_image(file, image.plane, channels_of(image))
    except UserError as error:
        unread.append(str(error))
        return None
    if picture.shape != image.shape:
        raise other_size(file, picture.shape, image.shape, "the file of its nuclei")
    if picture.size > LARGEST:
        unread.append(f"{image.file_name}, which is too large to be read whole")
        return None
    return picture.read((0, 0, *picture.shape))


def frame(
    image: ImageRecord, nuclei: Nuclei, pixels: Any = None, pixel_size: float | None = None
) -> pd.DataFrame:
    """Return the table of one image.

    Parameters
    ----------
    image : ImageRecord
        For its name and id.
    nuclei : Nuclei
        Those that are shown get a row, by id.
    pixels : (H, W) or (H, W, C) array, optional
        For intensities.
    pixel_size : float, optional
        Side of a pixel in µm; adds columns ``…_um`` and ``…_um2``.

    Returns
    -------
    DataFrame
        `image`, `image_id`, `id`, `category`, `state`, `origin`, `model`, `score`, `note`, and
        what `measure` gives.
    """
    import pandas as pd

    rows = sorted((n for n in nuclei.shown() if n.mask), key=lambda n: n.id)
    measured = measure([n.mask for n in rows], pixels)
    columns: dict[str, Any] = {
        "image": np.full(len(rows), image.file_name.encode("utf-8", ODD).decode(), object),
        "image_id": np.full(len(rows), image.id, np.int64),
        "id": np.array([n.id for n in rows], np.int64),
        "category": np.array([n.category for n in rows], object),
        "state": np.array([n.state.value for n in rows], object),
        "origin": np.array([n.origin.kind.value for n in rows], object),
        "model": np.array([n.origin.model for n in rows], object),
        "score": np.array([float(n.score) for n in rows]),
        "note": np.array([n.note for n in rows], object),
    }
    for name, values in measured.items():
        columns[name] = values
        if pixel_size and name in LENGTHS:
            columns[f"{name}_um"] = values * pixel_size  # type: ignore[operator]
        if pixel_size and name in AREAS:
            columns[f"{name}_um2"] = values * pixel_size**2  # type: ignore[operator]
    return pd.DataFrame(columns)
