"""Exports: which file a person asks for, and writing it from the nuclei.

Here: request → file. Not here: asking (`export_dialog.py`), file formats (`formats/`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePath

from ..errors import UserError
from ..formats import coco, results
from .record import Plane, Record


class Format(StrEnum):
    """Kinds of files."""

    COCO = "coco"
    RESULTS = "results"


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be written.

    Attributes
    ----------
    path : Path
        The file.
    format : Format
        Its kind.
    image_id : int
        The image's id in it.
    """

    path: Path
    format: Format
    image_id: int = 1


def save(record: Record, plane: Plane, request: Request) -> str:
    """Write an export of the nuclei and say in one line what was written.

    A COCO data set holds all planes of a stack that have nuclei, results the one in view.

    Raises
    ------
    UserError
        If the file cannot be written.
    """
    if request.format is Format.COCO:
        record.image_id = request.image_id
        data = record.data_set()
        coco.write(request.path, data)
        number = sum(sum(1 for _ in data.of(image).shown()) for image in data.images)
    else:
        nuclei = record.review(plane).nuclei
        number = results.write(request.path, {request.image_id: nuclei})
    what = "1 nucleus" if number == 1 else f"{number:,} nuclei"
    return f"Wrote {what} to {request.path.name}."


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
    listed = results.read_image_ids(path)
    wanted = PurePath(file_name)
    found = [r for r in listed if PurePath(r.file_name).name == wanted.name]
    found = found or [r for r in listed if PurePath(r.file_name).stem == wanted.stem]
    found = found or [r for r in listed if PurePath(r.file_name).stem == wanted.name]
    if len(found) != 1:
        problem = "does not list" if not found else "lists more than once"
        raise UserError(f"{path.name} {problem} an image named {file_name}: give its id instead.")
    if found[0].shape != shape:
        height, width = found[0].shape
        raise UserError(
            f"{path.name} says that {file_name} is {width}×{height} px, but it is "
            f"{shape[1]}×{shape[0]}: check that it is the same image."
        )
    return found[0].id
