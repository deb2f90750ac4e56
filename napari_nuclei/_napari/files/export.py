"""Exports: which file a person asks for, and writing it from the nuclei."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from ...errors import UserError
from ...formats import results
from ...formats.dataset import DataSet
from ...formats.image_ids import Listed
from ...formats.registry import FORMATS
from ...formats.sidecar import Sidecar
from ...formats.writing import write
from ...images.planes import Plane
from ...nuclei import ImageRecord, Nuclei
from ...wording import Place, counted, read_here
from ..layers.record import Record
from ..layers.source import micrometres_per_pixel, shape_of
from ..layers.viewport import is_large
from ..session.openers import pixels_at

TOO_LARGE = "Intensities are left out: the image is too large to read whole."


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be written.

    Attributes
    ----------
    path : Path
        The file, or folder.
    format : str
        Name of its format.
    image_id : int
        The image's id in it.
    """

    path: Path
    format: str
    image_id: int = 1


@read_here(Place.WINDOW)
def save(record: Record, plane: Plane, request: Request, image: Image | None = None) -> str:
    """Write an export of the nuclei and say in one line what was written.

    Formats that hold several images get all planes of a stack that have nuclei, others and
    results the one in view.

    Parameters
    ----------
    record, plane : Record, Plane
        The nuclei, and the plane in view.
    request : Request
        What is to be written.
    image : Image, optional
        The image's layer, for intensities and the size of a pixel.

    Raises
    ------
    UserError
        If the file cannot be written.
    """
    format = FORMATS[request.format]
    record.image_id = request.image_id
    data = record.data_set()
    keys = {about.id: key for key, about in record.images().items()}
    if format.per_image or format.name == "results":
        data, keys = _in_view(record, plane, request.image_id), {request.image_id: plane}
    sidecar = sidecar_of(record, image)
    if image is not None and format.name in ("table", "parquet"):
        if is_large(record.shape) and not isinstance(image.data, np.ndarray):
            sidecar.remarks.append(TOO_LARGE)
        else:
            sidecar.arrays = {id: _pixels(record, image, key) for id, key in keys.items()}
    write(request.path, data, format, sidecar)
    number = sum(1 for _, nuclei in data for _ in nuclei.shown())
    what = counted(number, "nucleus")
    return " ".join([f"Wrote {what} to {request.path.name}.", *dict.fromkeys(sidecar.remarks)])


def sidecar_of(record: Record, image: Image | None) -> Sidecar:
    """Return what is known of an image besides its nuclei."""
    sidecar = Sidecar(pixel_size=micrometres_per_pixel(image) if image is not None else None)
    file = record.file or (Path(image.source.path) if image and image.source.path else None)
    sidecar.known = {} if file is None or not file.exists() else {record.file_name: file}
    sidecar.homes = record.homes
    return sidecar


def _in_view(record: Record, plane: Plane, image_id: int) -> DataSet:
    image = replace(record.image(plane), id=image_id)
    review = record.reviews.get(plane)
    nuclei = Nuclei(record.shape) if review is None else review.nuclei
    return DataSet([image], {image_id: nuclei}, categories=record.categories)


def _pixels(record: Record, image: Image, plane: Any) -> NDArray[Any] | None:
    """Return the plane's pixels as (H, W) or (H, W, C); None where they cannot be told."""
    lead = len(shape_of(image)) - len(record.layer_shape)
    if lead < 0:
        return None
    found = pixels_at(image, record.layer_shape, tuple(plane or ()))
    found = np.squeeze(found, tuple(k for k in range(found.ndim - 3) if found.shape[k] == 1))
    if found.ndim == 3 and found.shape[1:] == record.shape and found.shape[:2] != record.shape:
        found = np.moveaxis(found, 0, -1)
    return found if found.ndim in (2, 3) and found.shape[:2] == record.shape else None


def find_image_id(path: Path, file_name: str, shape: tuple[int, int]) -> int:
    """Look an image up in a competition's list of ids or a COCO file.

    Parameters
    ----------
    path : Path
        The list.
    file_name : str
        Name of the image; its ending may be missing, as it is in the names of layers.
    shape : (int, int)
        Height and width of the image in px.

    Raises
    ------
    UserError
        If the image is not listed, or with another size.
    """
    listed = Listed(results.read_image_ids(path), path.name)
    try:
        return listed.find_all([ImageRecord(0, file_name, *shape)])[0].id
    except UserError as error:
        text = str(error)
        raise UserError(text if text.endswith("?") else f"{text}; enter its id instead.") from None
