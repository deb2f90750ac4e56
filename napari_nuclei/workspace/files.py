"""What a workspace keeps in small files, and which images belong to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

from ..atomic_files import read_json, write_json
from ..errors import ReviewError, UserError
from ..formats.coco_reader import from_json, read_images
from ..formats.dataset import DataSet
from ..formats.image_files import MISSING, files_in
from ..formats.image_names import shown
from ..images.images import find_images, image_info, is_zarr
from ..images.planes import Plane
from ..journal.naming import part_of_channels
from ..journal.place import FOLDER, user_folder
from ..nuclei import ImageRecord


class MissingImagesError(UserError):
    """Some images that a list names are not where they were looked for."""


@dataclass(frozen=True, slots=True)
class Item:
    """An image of a workspace.

    Attributes
    ----------
    path : Path
        Its file.
    plane : tuple of int
        Which plane of it, where a list names single ones; else ().
    record : ImageRecord or None
        What the list says of it.
    """

    path: Path
    plane: Plane = ()
    record: ImageRecord | None = None

    @property
    def part(self) -> str:
        """Which part of the plane, where a list names a channel; else empty."""
        return "" if self.record is None else part_of_channels(self.record.channels)

    @property
    def name(self) -> str:
        """What it is called in exports."""
        return self.path.name if self.record is None else self.record.file_name


@dataclass(frozen=True, slots=True)
class Place:
    """Where the reviewer was.

    Attributes
    ----------
    image : str
        Path of the file.
    plane : tuple of int
        Which plane of it.
    view : dict
        Whatever the window needs to show the same part again (JSON values).
    nucleus : int or None
        Id of the nucleus in the queue.
    """

    image: str
    plane: Plane = ()
    view: dict[str, Any] = field(default_factory=dict)
    nucleus: int | None = None


def items_of(
    path: Path, folder: Path | None = None, remarks: list[str] | None = None
) -> tuple[list[Item], DataSet | None]:
    """List the images of a folder, an image file, a competition's list or a COCO file.

    Parameters
    ----------
    path : Path
        One of these. A folder's images come in natural order, a list's in its own.
    folder : Path, optional
        Where a list's images lie; by default they are looked for beside it.
    remarks : list of str, optional
        Takes lines on what of a folder was left out, and on broken entries of a COCO file that
        are left out or mended; without it they are errors.

    Returns
    -------
    items, data : list of Item, DataSet or None
        The second for a COCO file with annotations.

    Raises
    ------
    UserError
        If there are no images, or some that a list names are missing.
    """
    if path.is_dir() or path.suffix.lower() != ".json":
        return [Item(image.absolute()) for image in find_images(path, remarks)], None
    value = read_json(path)
    data = from_json(value, str(path), remarks, folder) if _has(value, "annotations") else None
    if data is not None:
        records = data.images
    elif isinstance(value, list) or _has(value, "images"):
        rows = value if isinstance(value, list) else value["images"]
        records = read_images(rows, str(path), images=folder)
    else:
        raise ReviewError(f"{path} is neither a list of images nor a COCO file")
    if not records:
        raise ReviewError(f"{path} lists no images")
    return _items(path, folder, records), data


def planes_of(image: Path) -> list[Plane]:
    """List the planes of an image file: ``[()]`` for an ordinary one."""
    count = image_info(image).planes
    return [(k,) for k in range(count)] if count > 1 else [()]


def _has(value: Any, key: str) -> bool:
    return isinstance(value, dict) and key in value


def _items(source: Path, folder: Path | None, records: Iterable[ImageRecord]) -> list[Item]:
    every = list(records)
    near = folder or source.parent
    located = files_in(near, deep=folder is not None).find_all(r.file_name for r in every)
    if located.gaps:
        name, why = next(iter(located.gaps.items()))
        more = f" and {len(located.gaps) - 1} more" if len(located.gaps) > 1 else ""
        why = why.replace(MISSING, f"is not in {near}", 1)
        raise MissingImagesError(
            f"{source} names {shown(name)}{more}, which {why}: name the folder of its images"
        )
    return [
        Item(located.files[r.file_name].absolute(), () if r.plane is None else (r.plane,), r)
        for r in every
    ]


def most_alike(path: Path, paths: Iterable[Path]) -> Path:
    """Return what a path stands for among others, perhaps since their folder was moved.

    Raises `ValueError` if none has its name, or nobody can tell which one is meant.
    """

    def same(other: Path) -> int:
        pairs = zip(reversed(path.parts), reversed(other.parts), strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

    named = sorted((p for p in paths if p.name == path.name), key=same, reverse=True)
    if not named:
        raise ValueError("none has its name")
    best, *others = named
    if others and same(others[0]) == same(best) and best != path:
        raise ValueError("several are alike")
    return best


class SmallFile:
    """A small JSON file beside the images, or in the user's folder where that cannot be.

    Parameters
    ----------
    near : Path
        The folder of the images, or the file that lists them.
    name : str
        What the file is called.
    """

    def __init__(self, near: Path, name: str) -> None:
        near = near.absolute()
        is_folder = near.is_dir() and not is_zarr(near)
        home = near / FOLDER if is_folder else near.parent / FOLDER
        name = name if is_folder else f"{near.name}.{name}"
        key = hashlib.sha256(str(home / name).encode("utf-8", "surrogatepass")).hexdigest()
        self._places = (home / name, user_folder() / f"{key[:32]}.{name}")

    def read(self) -> dict[str, Any]:
        """Return what was written last; empty if there is nothing, or it is damaged."""
        found = [p for p in self._places if p.is_file()]
        try:
            newest = max(found, key=lambda p: p.stat().st_mtime_ns)
            value = json.loads(newest.read_bytes())
        except (OSError, ValueError):
            return {}
        return value if isinstance(value, dict) else {}

    def write(self, value: dict[str, Any]) -> bool:
        """Write it where that works; whether it did anywhere."""
        for path in self._places:
            try:
                path.parent.mkdir(parents=path is self._places[1], exist_ok=True)
                write_json(path, value)
                return True
            except (OSError, UserError, ValueError):
                continue
        return False
