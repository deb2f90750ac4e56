"""JSON → `DataSet`: what a COCO file says, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..errors import FormatError
from ..nuclei import ImageRecord
from .annotations import NAMESPACE, ImageState, Reader, Row, get, state_of
from .broken import Broken
from .categories import DEFAULT, Names
from .dataset import DataSet
from .image_rows import with_sizes, with_whole_ids
from .numbers import finite, whole
from .segmentation import size_of

VERSION = 1


def from_json(
    value: Any, source: str, remarks: list[str] | None = None, images: Path | None = None
) -> DataSet:
    """Make a data set of what a COCO file holds.

    Parameters
    ----------
    value : object
        As `json.load` gives it.
    source : str
        Name of the file, for messages and for the origin of foreign nuclei.
    remarks : list of str, optional
        Takes a line on the entries that are broken and left out or mended; without it they are
        errors.
    images : path, optional
        Folder of the images, which know their sizes where the file does not say them; by default
        they are looked for beside it.

    Raises
    ------
    UserError
        If it is no COCO data set, or nothing in it can be used.
    """
    value = with_whole_ids(value)
    lists = _lists(value, source)
    own = _own(value, source)
    broken = Broken(source, remarks)
    rows = _labelled(lists["annotations"], broken)
    extra = [(f"{k} of not_exported", row) for k, row in enumerate(own["not_exported"], 1)]
    records = read_images(lists["images"], source, [row for _, row in rows], remarks, images)
    known = {image.id: image for image in records}
    by_image: dict[int, list[tuple[str, Row]]] = {image.id: [] for image in records}
    for label, row in [*rows, *extra]:
        if (id := _image_of(row, label, known, broken)) is not None:
            by_image[id].append((label, row))
    names = Names(lists["categories"], Broken(source, remarks, "category"))
    reader = Reader(source, names, broken)
    states = _states(own["images"], known, Broken(source, remarks, "image"))
    nuclei = {id: reader.nuclei(known[id], found, states.get(id)) for id, found in by_image.items()}
    broken.tell(len(lists["annotations"]) + len(extra))
    reader.tell_of_crowds(remarks)
    about = {
        key: finite(item)
        for key, item in value.items()
        if key not in ("images", "annotations", "categories", NAMESPACE)
    }
    categories = tuple(names.categories) or (DEFAULT,)
    return DataSet(records, nuclei, about, categories, NAMESPACE not in value)


def _lists(value: Any, source: str) -> dict[str, list[Any]]:
    if isinstance(value, list):
        raise FormatError(
            f"{source} is a plain list, like results or a list of image ids: a COCO data set is "
            "needed here"
        )
    lists = {key: get(value, key) for key in ("images", "annotations")}
    for key, item in lists.items():
        if not isinstance(item, list):
            raise FormatError(f"{source} is not a COCO data set: it has no list {key!r}")
    return lists | {"categories": c if isinstance(c := value.get("categories"), list) else []}


def _own(value: Row, source: str) -> dict[str, list[Any]]:
    """Return the top-level object of this project's files, empty for others."""
    own = value.get(NAMESPACE, {})
    if get(own, "version") not in (None, VERSION):
        raise FormatError(
            f"{source} was written by a newer version (format {own['version']!r}): "
            "update napari-nuclei to read it"
        )
    out = {key: get(own, key) or [] for key in ("images", "not_exported")}
    rows = [row for item in out.values() for row in (item if isinstance(item, list) else [None])]
    if not all(whole(get(row, "image_id")) is not None for row in rows):
        raise FormatError(f"{source}: its object {NAMESPACE!r} is damaged: use another copy")
    return out


def _labelled(rows: list[Any], broken: Broken) -> list[tuple[str, Row]]:
    """Give every annotation a name for messages; leave out what is none."""
    seen = set()
    out = []
    for number, row in enumerate(rows, 1):
        id, label = get(row, "id"), f"number {number}"
        if not isinstance(row, dict):
            broken.leave_out(label, "is not an object")
            continue
        if isinstance(id, (int, str)):
            if id in seen:
                broken.mend(label, f"has the id of another one: two annotations have the id {id!r}")
            else:
                label = repr(id)
            seen.add(id)
        elif id is not None:
            broken.mend(label, f"has the odd id {id!r}")
        out.append((label, row))
    return out


def _image_of(row: Row, label: str, known: dict[int, ImageRecord], broken: Broken) -> int | None:
    """Return the id of the image that an annotation belongs to; None if there is none."""
    said = row.get("image_id")
    if type(said) is int and said in known:
        return said
    id = whole(said)
    if id not in known:
        broken.leave_out(label, f"belongs to image {said!r}, which is not listed under images")
        return None
    if isinstance(said, str):
        broken.mend(label, "its image_id is text")
    return id


def _states(
    rows: list[Row], known: dict[int, ImageRecord], broken: Broken
) -> dict[int, ImageState]:
    """Read what this project's files say of each image's review."""
    out: dict[int, ImageState] = {}
    for row in rows:
        id = whole(row["image_id"]) or 0
        try:
            out[id] = state_of(row)
        except (TypeError, ValueError, OverflowError):
            name = known[id].file_name if id in known else f"with the id {id}"
            broken.mend(name, "its state is damaged: threshold and complete areas are lost")
    broken.tell(len(rows))
    return out


def read_images(
    rows: Iterable[Any],
    source: str,
    annotations: Iterable[Row] = (),
    remarks: list[str] | None = None,
    images: Path | None = None,
) -> list[ImageRecord]:
    """Read a list of images: a COCO file's, or a competition's.

    Parameters
    ----------
    rows : iterable of dict
        With `id`, `file_name`, `height`, `width`.
    source : str
        Name of the file, for messages.
    annotations : iterable of dict
        Run lengths tell the size of an image that does not.
    remarks : list of str, optional
        Takes a line on the images that are left out; without it they are errors.
    images : path, optional
        Folder of the images, which know their sizes too; by default they are looked for beside
        the file.

    Raises
    ------
    UserError
        If something is missing or wrong.
    """
    listed = with_whole_ids(list(rows))
    unsized = any(get(row, "height") is None for row in listed)
    sizes = _sizes(annotations) if unsized else {}
    rows = with_sizes(listed, sizes, Path(source), images)
    broken = Broken(source, remarks, "image")
    out: dict[int, ImageRecord] = {}
    doubled: set[int] = set()
    for number, row in enumerate(rows, 1):
        label = f"number {number}"
        if isinstance(name := get(row, "file_name"), str) and name:
            label += f" ({name})"
        try:
            image = _image(row, sizes)
        except ValueError as error:
            broken.leave_out(label, str(error))
            continue
        if texts := [key for key in ("id", "height", "width") if isinstance(row.get(key), str)]:
            broken.mend(label, f"its {' and '.join(texts)} is text")
        if out.setdefault(image.id, image) is image:
            continue
        twice = f"two images have the id {image.id}"
        if image == out[image.id]:
            broken.mend(label, f"is listed before: {twice}")
        else:  # nobody can tell to which one the annotations belong
            broken.leave_out(label, f"has the id of another one: {twice}")
            broken.leave_out(out[image.id].file_name, f"has the id of another one: {twice}")
            doubled.add(image.id)
    broken.tell(len(rows))
    return [image for id, image in out.items() if id not in doubled]


def _sizes(annotations: Iterable[Row]) -> dict[Any, tuple[int, int]]:
    found = ((whole(get(a, "image_id")), size_of(get(a, "segmentation"))) for a in annotations)
    return {id: size for id, size in found if size and id is not None}


def _image(row: Any, sizes: dict[Any, tuple[int, int]]) -> ImageRecord:
    """Read one image; raises `ValueError` that says what is wrong with it."""
    id, file_name = whole(get(row, "id")), get(row, "file_name")
    if id is None:
        raise ValueError("has no whole number as its id")
    if not isinstance(file_name, str) or not file_name:
        raise ValueError("has no file_name")
    height, width = whole(row.get("height")), whole(row.get("width"))
    if row.get("height") is None and row.get("width") is None and id in sizes:
        height, width = sizes[id]
    if height is None or width is None or min(height, width) <= 0:
        raise ValueError("has no height and width in px")
    modality = m if isinstance(m := row.get("modality"), str) else ""
    used = {"id", "file_name", "height", "width"} | ({"modality"} if modality else set())
    extra = {key: finite(v) for key, v in row.items() if key not in used}
    return ImageRecord(id, file_name, height, width, modality, extra)
