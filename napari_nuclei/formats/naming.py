"""What nuclei by themselves are called in a file: they know their image, if it has a name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..errors import FormatError, ImageMismatchError
from ..images.images import image_size, is_zarr
from ..nuclei import ImageRecord, Nuclei
from ..wording import px
from .dataset import DataSet
from .format import Format
from .sidecar import Sidecar, stem_of

NAMELESS = ("labels", "imagej")
"""Formats that say nothing of the image."""

UNKNOWN = "image"


def record_of(image: str | Path, shape: tuple[int, int], plane: int | None = None) -> ImageRecord:
    """Return what is known of the image that a file holds, or one plane of it."""
    extra = {} if plane is None else {"plane": [plane]}
    return ImageRecord(1, Path(image).name, *shape, extra=extra)


def data_set(nuclei: Nuclei | DataSet) -> DataSet:
    """Return the data set of one image, called as its nuclei know it."""
    if isinstance(nuclei, DataSet):
        return nuclei
    if not isinstance(nuclei, Nuclei):
        raise FormatError(f"Nuclei or a DataSet is needed here, not {type(nuclei).__name__}")
    record = nuclei.image or ImageRecord(1, UNKNOWN, *nuclei.shape)
    return DataSet([record], {record.id: nuclei})


def named(
    nuclei: Nuclei, image: Path | None, out: Path, format: Format, sidecar: Sidecar
) -> DataSet:
    """Return a data set to write; a name that has to be made up is remarked on.

    Parameters
    ----------
    image : Path, optional
        The image's file, or its name.
    out : Path
        The file to be written, after which the image is called where nothing else is known.

    Raises
    ------
    UserError
        If the image is there, and of another size.
    """
    data = data_set(nuclei)
    (record,) = data.images
    if image is None and nuclei.image is None:
        name = stem_of(Path(out.name.removesuffix(format.ending)))
        image = _sidecar(out, name, nuclei.shape, sidecar)
        if image is None:
            image = Path(name)
            if format.name == "results":
                sidecar.remarks.append(
                    f"{out.name}: the image's id is not known, and is set to {record.id}: write "
                    "a DataSet to set it"
                )
            elif format.name not in NAMELESS:
                sidecar.remarks.append(
                    f"{out.name}: the image's name is not known, and is set to {image.name!r}: "
                    "name it with image="
                )
    elif image is not None:
        if not image.name or (image.is_dir() and not is_zarr(image)):
            raise FormatError(f"{image} is a folder: name the image with image=")
        _check(image, nuclei.shape)
    if image is not None:
        data.images = [replace(record, file_name=image.name)]
    return data


def _sidecar(out: Path, name: str, shape: tuple[int, int], sidecar: Sidecar) -> Path | None:
    """Return the image that a file is named after, if it lies beside it."""
    found = sidecar.image(out, name)
    return found if found is not None and image_size(found) == shape else None


def _check(image: Path, shape: tuple[int, int]) -> None:
    if image.is_file() and (size := image_size(image)) != shape:
        raise ImageMismatchError(
            f"{image} is {px(size)}, but its nuclei belong to an "
            f"image of {shape[0]}×{shape[1]}: is it the right image?"
        )


def joined(truth: Nuclei | DataSet, predictions: Nuclei | DataSet) -> tuple[DataSet, DataSet]:
    """Return two data sets to compare.

    Two nuclei alone are taken to be of one image, and nuclei of which nothing is known of the
    only image of a data set.
    """
    a, b = data_set(truth), data_set(predictions)
    alone = [v for v in (truth, predictions) if isinstance(v, Nuclei)]
    same = len(alone) == 2 or (len(alone) == 1 and alone[0].image is None)
    if same and len(a.images) == len(b.images) == 1:
        b = DataSet([replace(b.images[0], file_name=a.images[0].file_name)], b.nuclei)
    return a, b
