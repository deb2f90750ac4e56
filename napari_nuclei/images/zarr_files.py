"""Zarr: plain arrays and the OME-Zarr layouts that converters write, in folders and zip files."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ImageError
from ..wording import counted
from .finding import is_zarr_zip
from .trouble import one_line
from .zarr_axes import named_axes, ome_axes, usual_axes

MAX_NAMED = 10
"""Images of one zarr that are named in a message."""

_BROKEN = "not a zarr that can be read"


@dataclass(frozen=True, slots=True)
class Levels:
    """An image in a zarr.

    Attributes
    ----------
    arrays : list of zarr arrays
        The image, then the same at coarser and coarser scales.
    axes : str
        A letter for each dimension, as `Plane` wants them.
    """

    arrays: list[Any]
    axes: str


def image_levels(path: Path) -> Levels:
    """Open the image of a zarr; nothing of it is read yet.

    Raises
    ------
    UserError
        If it has none, or several; these are named.
    """
    with one_line(path, _BROKEN):
        return _image_in(_root(path), path)


def label_levels(path: Path) -> Levels:
    """Open the label image of a zarr: a plain array, or the labels of an OME-Zarr image.

    Raises
    ------
    UserError
        As `image_levels`.
    """
    with one_line(path, _BROKEN):
        node = _root(path)
        is_labels = _is_array(node) or "image-label" in _about(node)
        if not is_labels and (groups := _label_groups(node)):
            names = [name for name, _ in groups]
            if len(groups) > 1:
                raise ImageError(f"holds {len(groups)} label images: {_name_one(path, names)}")
            node = groups[0][1]
        return _image_in(node, path, labels=True)


def holds_labels(path: Path) -> bool:
    """Whether a zarr says that it is a label image, has such beside its image, or could be one.

    That could be any plain array of whole numbers in one plane.
    """
    try:
        node = _root(path)
        if _is_array(node):
            planes = [n for n in node.shape if n > 1]
            return node.dtype.kind in "iub" and len(planes) <= 2
        return "image-label" in _about(node) or bool(_label_groups(node))
    except Exception:  # reading it tells why
        return False


# -- groups -----------------------------------------------------------------------------


def _root(path: Path) -> Any:
    import zarr

    # Other things lie in the folders of converters too.
    warnings.filterwarnings("ignore", "Object at .* is not recognized as a component")
    if not is_zarr_zip(path):
        return zarr.open(str(path), mode="r")
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    marks = [n for n in names if n.rpartition("/")[2] in ("zarr.json", ".zgroup", ".zarray")]
    if not marks:
        raise ImageError("a zip file without a zarr in it")
    top = min(marks, key=lambda name: name.count("/")).rpartition("/")[0]
    store = zarr.storage.ZipStore(path, mode="r")
    return zarr.open(store, path=top, mode="r")


def _is_array(node: Any) -> bool:
    import zarr

    return isinstance(node, zarr.Array)


def _about(node: Any) -> Mapping[str, Any]:
    """Return what OME-Zarr says of a node: since version 0.5 under a key of its own."""
    attributes = dict(node.attrs)
    own = attributes.get("ome")
    return own if isinstance(own, dict) else attributes


def _image_in(node: Any, path: Path, labels: bool = False) -> Levels:
    if _is_array(node):
        return _plain(node, labels)
    about = _about(node)
    if "image-label" in about and not labels:
        raise ImageError("a label image: name the image that it belongs to, or convert it")
    if scales := about.get("multiscales"):
        return _scales(node, scales[0])
    if "plate" in about:
        fields = list(_fields_of_plate(node, about["plate"]))
        wells = len(about["plate"].get("wells", ()))
        raise ImageError(f"a plate of {counted(wells, 'well')}: {_name_one(path, fields)}")
    if "well" in about:
        names = [str(image["path"]) for image in about["well"].get("images", ())]
        return _only(node, names, "fields", path)
    if "labels" in about:
        raise ImageError(f"holds label images, not an image: {_name_one(path, about['labels'])}")
    if (names := _series_of(node)) or "bioformats2raw.layout" in about:
        return _only(node, names, "images", path)
    arrays = [array for _, array in node.arrays()]
    if len(arrays) == 1 and not any(True for _ in node.groups()):
        return _plain(arrays[0])
    nested = list(_nested(node))
    advice = _name_one(path, nested) if nested else "name an array in it"
    raise ImageError(f"a zarr group without an OME-Zarr image: {advice}")


def _nested(node: Any) -> Iterator[str]:
    """Yield some places of images further down, as other programs arrange them."""
    for name, group in sorted(node.groups(), key=lambda item: item[0])[:MAX_NAMED]:
        yield from (f"{name}/{inner}" for inner in _series_of(group))


def _series_of(node: Any) -> list[str]:
    """Return the names of the images that lie in a group, as bioformats2raw numbers them."""
    named: list[str] = []
    for name, group in node.groups():
        if name == "OME":
            named = [str(n) for n in _about(group).get("series", ())]
    found = {name for name, group in node.groups() if "multiscales" in _about(group)}
    listed = [name for name in named if name in found]
    return listed + sorted(found - {*listed}, key=lambda name: (len(name), name))


def _only(node: Any, names: Sequence[str], what: str, path: Path) -> Levels:
    """Open the one image of several that is no mere label or overview of a slide."""
    if not names:
        raise ImageError(f"holds no {what}")
    found = [_image_in(node[name], path / name) for name in names[: MAX_NAMED + 1]]
    areas = [_area(levels) for levels in found]
    others = [area for area in areas[1:] if 16 * area > areas[0]]
    if others or len(names) > len(found):
        raise ImageError(f"holds {len(names)} {what}: {_name_one(path, names)}")
    return found[0]


def _area(levels: Levels) -> int:
    sizes = dict(zip(levels.axes, levels.arrays[0].shape, strict=True))
    return int(sizes["Y"] * sizes["X"])


def _name_one(path: Path, names: Sequence[str]) -> str:
    if path.is_file():
        return "unpack it and name one"
    shown = [str(path / name) for name in names[:2]]
    return f"name one, such as {' or '.join(shown) or 'a folder inside it'}"


def _fields_of_plate(node: Any, plate: Mapping[str, Any]) -> Iterator[str]:
    for well in plate.get("wells", ())[:2]:
        place = str(well.get("path", ""))
        try:
            images = _about(node[place])["well"]["images"]
            yield f"{place}/{images[0]['path']}"
        except (KeyError, IndexError, TypeError):
            yield f"{place}/0"


def _label_groups(node: Any) -> list[tuple[str, Any]]:
    """Return the label images beside an image, by their places in the group."""
    names = _about(node).get("labels")
    group, place = node, ""
    if not isinstance(names, list):
        nested = _series_of(node) if "multiscales" not in _about(node) else []
        group, place = (node[nested[0]], f"{nested[0]}/") if len(nested) == 1 else (node, "")
        if "labels" not in group:
            return []
        group, place = group["labels"], f"{place}labels/"
        names = _about(group).get("labels") or sorted(name for name, _ in group.groups())
    return [(place + str(name), group[str(name)]) for name in names if str(name) in group]


# -- arrays -----------------------------------------------------------------------------


def _scales(node: Any, scale: Mapping[str, Any]) -> Levels:
    """Open the levels of a multiscale image; coarser ones that are missing are done without."""
    places = [str(item["path"]) for item in scale["datasets"]]
    arrays = [node[place] for place in places if place in node]
    if not arrays:
        raise ImageError(f"its image {places[0] if places else ''} is missing")
    if places[0] not in node:
        raise ImageError(f"its finest level {places[0]} is missing")
    axes = ome_axes(scale.get("axes"), arrays[0].ndim)
    return Levels([arrays[0], *_coarser(arrays, axes)], axes)


def _coarser(arrays: Sequence[Any], axes: str) -> Iterator[Any]:
    """Yield those that are the first one with fewer px, and as many planes and channels."""

    def split(array: Any) -> tuple[list[int], int]:
        sizes = dict(zip(axes, array.shape, strict=True))
        return [n for a, n in sizes.items() if a not in "YX"], sizes["Y"] * sizes["X"]

    planes, area = split(arrays[0])
    for array in arrays[1:]:
        if array.ndim != len(axes) or array.dtype != arrays[0].dtype:
            continue
        own, size = split(array)
        if own == planes and size < area:
            area = size
            yield array


def _plain(array: Any, labels: bool = False) -> Levels:
    names = getattr(array.metadata, "dimension_names", None)
    names = names or dict(array.attrs).get("_ARRAY_DIMENSIONS")  # as xarray notes them
    axes = named_axes(names or (), array.ndim)
    return Levels([array], axes or usual_axes(array.shape, array.dtype.itemsize, labels))
