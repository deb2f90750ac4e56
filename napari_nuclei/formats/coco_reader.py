"""JSON → `DataSet`: what a COCO file says, and what is wrong with it.

Here: images, annotations and the project's own object `napari_nuclei`. Not here: opening the
file (`files.py`), masks (`segmentation.py`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

from ..errors import UserError
from ..mask import Mask
from ..nuclei import Kind, Nuclei, Nucleus, Origin, State
from .dataset import DataSet, ImageRecord
from .segmentation import is_whole, read_all, size_of

NAMESPACE = "napari_nuclei"
VERSION = 1
MAX_ID = 2**31 - 1

Row = dict[str, Any]


def from_json(value: Any, source: str) -> DataSet:
    """Make a data set of what a COCO file holds.

    Parameters
    ----------
    value : object
        As `json.load` gives it.
    source : str
        Name of the file, for messages and for the origin of foreign nuclei.

    Raises
    ------
    UserError
        If it is no COCO data set, or something in it is broken.
    """
    lists = _lists(value, source)
    own = _own(value, source)
    rows = _numbered(lists["annotations"], source)
    extra = [(f"entry {k} of not_exported", row) for k, row in enumerate(own["not_exported"], 1)]
    images = read_images(lists["images"], source, [row for _, row in rows])
    known = {image.id: image for image in images}
    by_image: dict[int, list[tuple[str, Row]]] = {image.id: [] for image in images}
    for name, row in [*rows, *extra]:
        if not is_whole(row.get("image_id")) or row["image_id"] not in known:
            raise UserError(
                f"{source}: {name} belongs to image {row.get('image_id')!r}, which is not listed "
                "under images: list it, or remove the annotation"
            )
        by_image[row["image_id"]].append((name, row))
    states = {state["image_id"]: state for state in own["images"]}
    nuclei = {
        id: _nuclei(known[id], found, states.get(id, {}), source) for id, found in by_image.items()
    }
    about = {
        key: item
        for key, item in value.items()
        if key not in ("images", "annotations", "categories", NAMESPACE)
    }
    names = (c["name"] for c in lists["categories"] if isinstance(_get(c, "name"), str))
    return DataSet(images, nuclei, about, tuple(names) or ("nucleus",), NAMESPACE not in value)


def _get(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _lists(value: Any, source: str) -> dict[str, list[Any]]:
    if isinstance(value, list):
        raise UserError(
            f"{source} is a bare list, as results and lists of image ids are: "
            "a COCO data set is wanted here"
        )
    lists = {key: _get(value, key) for key in ("images", "annotations")}
    for key, item in lists.items():
        if not isinstance(item, list):
            raise UserError(f"{source} is not a COCO data set: it has no list {key!r}")
    return lists | {"categories": c if isinstance(c := value.get("categories"), list) else []}


def _own(value: Row, source: str) -> dict[str, list[Any]]:
    """Return the top-level object of this project's files, empty for others."""
    own = value.get(NAMESPACE, {})
    if _get(own, "version") not in (None, VERSION):
        raise UserError(
            f"{source} was written by a newer version (format {own['version']!r}): "
            "update napari-nuclei to read it"
        )
    out = {key: _get(own, key) or [] for key in ("images", "not_exported")}
    rows = [row for item in out.values() for row in (item if isinstance(item, list) else [None])]
    if not all(is_whole(_get(row, "image_id")) for row in rows):
        raise UserError(f"{source}: its object {NAMESPACE!r} is damaged: take another copy")
    return out


def _numbered(rows: list[Any], source: str) -> list[tuple[str, Row]]:
    """Give every annotation a name for messages, and find ids that come twice."""
    seen = set()
    out = []
    for number, row in enumerate(rows, 1):
        id = _get(row, "id")
        name = f"annotation number {number}" if id is None else f"annotation {id!r}"
        if not isinstance(row, dict):
            raise UserError(f"{source}: {name} is not an object: remove it")
        if id is not None:
            if not isinstance(id, (int, str)):
                raise UserError(f"{source}: annotation number {number} has the odd id {id!r}")
            if id in seen:
                raise UserError(f"{source}: two annotations have the id {id!r}: renumber them")
            seen.add(id)
        out.append((name, row))
    return out


def read_images(
    rows: Iterable[Any], source: str, annotations: Iterable[Row] = ()
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

    Raises
    ------
    UserError
        If something is missing or wrong.
    """
    sizes = _sizes(annotations)
    out: dict[int, ImageRecord] = {}
    for number, row in enumerate(rows, 1):
        image = _image(row, f"{source}: image number {number}", sizes)
        if image.id in out:
            raise UserError(f"{source}: two images have the id {image.id}: renumber them")
        out[image.id] = image
    return list(out.values())


def _sizes(annotations: Iterable[Row]) -> dict[Any, tuple[int, int]]:
    found = ((_get(a, "image_id"), size_of(_get(a, "segmentation"))) for a in annotations)
    return {id: size for id, size in found if size and isinstance(id, int)}


def _image(row: Any, name: str, sizes: dict[Any, tuple[int, int]]) -> ImageRecord:
    id, file_name = _get(row, "id"), _get(row, "file_name")
    if not is_whole(id):
        raise UserError(f"{name} has no whole number as its id: give it one")
    if not isinstance(file_name, str) or not file_name:
        raise UserError(f"{name} (id {id}) has no file_name: add it")
    height, width = row.get("height"), row.get("width")
    if height is None and width is None and id in sizes:
        height, width = sizes[id]
    if not all(is_whole(v) and v > 0 for v in (height, width)):
        raise UserError(f"{name} ({file_name}) has no height and width in px: add them")
    modality = m if isinstance(m := row.get("modality"), str) else ""
    used = {"id", "file_name", "height", "width"} | ({"modality"} if modality else set())
    extra = {key: v for key, v in row.items() if key not in used}
    return ImageRecord(int(id), file_name, int(height), int(width), modality, extra)


# -- one image's nuclei -----------------------------------------------------------------


def _nuclei(image: ImageRecord, rows: list[tuple[str, Row]], state: Row, source: str) -> Nuclei:
    where = f"{source}: image {image.file_name}"
    try:
        next_id = int(state.get("next_id", 1))
        threshold = float(state.get("threshold", 0.0))
        complete = tuple(
            (int(a), int(b), int(c), int(d)) for a, b, c, d in state.get("complete", ())
        )
        if not (abs(threshold) < math.inf and 0 < next_id <= MAX_ID + 1):
            raise ValueError("out of range")
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{where}: its state is damaged: take another copy of the file") from error
    owned = [_get(_get(row, NAMESPACE), "id") for _, row in rows]
    ids = [i for i in owned if is_whole(i) and 0 < i <= MAX_ID]
    if len(ids) < sum(i is not None for i in owned) or len(set(ids)) < len(ids):
        raise UserError(f"{where}: two nuclei have the same id, or one has a wrong one")
    free = max([next_id, *(i + 1 for i in ids)])
    masks = read_all([row.get("segmentation") for _, row in rows], image.shape)
    out = []
    for (name, row), mask, id in zip(rows, masks, owned, strict=True):
        if id is None:
            id, free = free, free + 1
        problem = mask if isinstance(mask, str) else None
        if not mask and NAMESPACE not in row:
            problem = "its mask has no pixels"
        if problem is None and isinstance(mask, Mask):
            try:
                out.append(_nucleus(id, mask, row, image, source))
                continue
            except (KeyError, TypeError, ValueError) as error:
                problem = str(error)
        raise UserError(f"{source}: {name} (image {image.file_name}): {problem}; mend or remove it")
    return Nuclei(image.shape, out, threshold, complete, free)


def _nucleus(id: int, mask: Mask, row: Row, image: ImageRecord, source: str) -> Nucleus:
    score = row.get("score")
    score = 1.0 if score is None else score
    number = isinstance(score, (int, float)) and not isinstance(score, bool)
    if not number or not 0 <= score <= 1:
        raise ValueError(f"its score {score!r} is not a number from 0 to 1")
    own = row.get(NAMESPACE)
    if own is None:
        return Nucleus(id, mask, float(score), origin=Origin(Kind.IMPORT, PurePath(source).name))
    try:
        origin = _origin(own["origin"], mask, image)
        state, order, note = State(own["state"]), int(own.get("order", 0)), str(own.get("note", ""))
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise ValueError(f"its object {NAMESPACE!r} is damaged") from error
    return Nucleus(id, mask, float(score), state, origin, order, note)


def _origin(said: Row, mask: Mask, image: ImageRecord) -> Origin:
    kind = Kind(said["kind"])
    predicted: Mask | None = mask if kind is Kind.MODEL else None
    if "predicted" in said:
        (read,) = read_all([said["predicted"]], image.shape) if said["predicted"] else (None,)
        if isinstance(read, str):
            raise ValueError(read)
        predicted = read
    parents = tuple(int(i) for i in said.get("parents", ()))
    return Origin(kind, str(said.get("model", "")), predicted, parents)
