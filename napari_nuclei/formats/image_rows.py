"""What a file's list of images lacks: ids that are numbers, and sizes that the images know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..images.images import image_size
from ..nuclei import ImageRecord
from .image_files import files_near
from .numbers import whole

Row = dict[str, Any]

TEXT_ID = "text_id"
"""Key of an image's id that is no number, in what a data set says of the image."""


def _numbers_for(
    ids: Iterable[Any], known: Mapping[str, int], taken: Iterable[int] = ()
) -> dict[str, int]:
    """Give texts numbers that no other id has; numbers as text stay what they are."""
    every = list(dict.fromkeys(id for id in ids if isinstance(id, (int, float, str))))
    texts = [id for id in every if isinstance(id, str) and whole(id) is None]
    out = {text: known[text] for text in texts if text in known}
    used = {whole(id) for id in every} | {*known.values(), *taken}
    free = (number for number in count(1) if number not in used)
    return out | {text: next(free) for text in texts if text not in out}


def _get(row: Any, key: str) -> Any:
    return row.get(key) if isinstance(row, dict) else None


def with_whole_ids(value: Any) -> Any:
    """Return a COCO file, or a list of images, in which ids that are texts have become numbers.

    The texts are kept as `TEXT_ID`. A file without such ids is returned as it is.
    """
    if isinstance(value, list):
        return with_whole_ids({"images": value})["images"]
    images = _get(value, "images")
    if not isinstance(images, list):
        return value
    numbers = _numbers_for((_get(row, "id") for row in images), {})
    if not numbers:
        return value
    rows = [
        row | {"id": numbers[row["id"]], TEXT_ID: row["id"]} if _is_in(row, "id", numbers) else row
        for row in images
    ]
    annotations = value.get("annotations")
    if isinstance(annotations, list):
        value = value | {"annotations": _renamed(annotations, numbers)}
    return value | {"images": rows}


def with_whole_image_ids(
    rows: Sequence[Any], images: Iterable[ImageRecord] = ()
) -> tuple[list[Any], dict[int, str]]:
    """Return a results list in which image ids that are texts have become numbers.

    Parameters
    ----------
    images : iterable of ImageRecord
        The images of another file, whose numbers count.

    Returns
    -------
    list, dict of int to str
        The list, and the texts.
    """
    every = list(images)
    known = {text: number for number, text in texts_of(every).items()}
    ids = (_get(row, "image_id") for row in rows)
    numbers = _numbers_for(ids, known, [image.id for image in every])
    texts = {number: text for text, number in numbers.items()}
    return (_renamed(rows, numbers) if numbers else list(rows)), texts


def _renamed(rows: Sequence[Any], numbers: Mapping[str, int]) -> list[Any]:
    return [
        row | {"image_id": numbers[row["image_id"]]} if _is_in(row, "image_id", numbers) else row
        for row in rows
    ]


def _is_in(row: Any, key: str, numbers: Mapping[str, int]) -> bool:
    id = _get(row, key)
    return isinstance(id, str) and id in numbers


def texts_of(images: Iterable[ImageRecord]) -> dict[int, str]:
    """Return the ids that are texts in the file that images were read from, by their numbers."""
    return {i.id: text for i in images if isinstance(text := i.extra.get(TEXT_ID), str)}


def with_sizes(
    rows: Sequence[Any],
    sizes: Mapping[int, tuple[int, int]],
    source: Path,
    images: Path | None = None,
) -> list[Any]:
    """Return a list of images with the sizes of those that say none, as far as they are at hand.

    Parameters
    ----------
    sizes : mapping of int to (int, int)
        Sizes that are known already, by id.
    source : Path
        The file that has the list.
    images : Path, optional
        The folder of the images; by default they are looked for beside the file.
    """
    lacking = {
        name
        for row in rows
        if isinstance(name := _get(row, "file_name"), str)
        and _has_none(row)
        and whole(row.get("id")) not in sizes
    }
    if not lacking:
        return list(rows)
    located = files_near(source, images).find_all(
        name for row in rows if isinstance(name := _get(row, "file_name"), str)
    )
    found: dict[str, Row] = {}
    for name in lacking & located.files.keys():
        try:
            height, width = image_size(located.files[name])
        except UserError:
            continue
        found[name] = {"height": height, "width": width}
    return [
        row | found[name]
        if isinstance(name := _get(row, "file_name"), str) and name in found and _has_none(row)
        else row
        for row in rows
    ]


def _has_none(row: Row) -> bool:
    return row.get("height") is None and row.get("width") is None
