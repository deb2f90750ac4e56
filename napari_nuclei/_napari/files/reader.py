"""Reader: files of nuclei → image layers and review layers.

The review layers carry a `Record`; a `Session` makes them live.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from napari.utils.notifications import show_warning
from numpy.typing import NDArray

from ...errors import UserError
from ...formats.convert import read as read_nuclei
from ...formats.dataset import DataSet
from ...formats.detect import detect
from ...formats.image_files import MISSING, Located
from ...formats.sidecar import Sidecar
from ...images.planes import Plane
from ...nuclei import ImageRecord
from ...review import Review
from ...wording import Place, are, counted, read_here
from ..layers.drawing import first_pixels
from ..layers.features import Table
from ..layers.lazy_layers import levels_of
from ..layers.record import KEY, Record, number_of
from ..layers.viewport import is_large

LayerData = tuple[Any, dict[str, Any], str]

MAX_IMAGES = 16
"""Images of one file that are opened as layers; a window with more cannot be worked in."""


def get_reader(path: str | Sequence[str]) -> Callable[[Any], list[LayerData]] | None:
    """Return a reader for files of nuclei, None for all else.

    Label images are left to napari: any TIFF could be one. *Adopt* takes them over.
    """
    paths = [path] if isinstance(path, str) else list(path)
    return read if paths and all(_is_ours(Path(p)) for p in paths) else None


def _is_ours(path: Path) -> bool:
    try:
        found = detect(path) if path.is_file() else None
    except UserError:
        return False
    return found is not None and bool(found.reader) and found.name != "labels"


@read_here(Place.WINDOW)
def read(path: str | Sequence[str]) -> list[LayerData]:
    """Read files of nuclei.

    Returns
    -------
    list of layer data
        For each image: the image, if it is found beside the file (there, or in its folder
        `images`), and a Labels layer of its nuclei.

    Raises
    ------
    UserError
        If a file is broken, or an image is not of the size that the file says.
    """
    paths = [path] if isinstance(path, str) else path
    return [layer for p in paths for layer in _read(Path(p))]


def _read(path: Path) -> list[LayerData]:
    sidecar = Sidecar(guess_size=True)
    data, format = read_nuclei([path], sidecar, compare=False)  # those that are opened are
    records = _of_data_set(data)
    if data.crowds:
        what = f"{counted(data.crowds, 'area')} to ignore {are(data.crowds)}"
        sidecar.remarks.append(f"{path.name}: {what} kept, not shown.")
    for remark in dict.fromkeys(sidecar.remarks):
        show_warning(remark)
    is_list = format.name == "results"  # which knows no names
    if len(records) > MAX_IMAGES:
        show_warning(
            f"{path.name} lists {len(records)} images: the first {MAX_IMAGES} are open. To go "
            "through all of them, drop it on the Nuclei widget (Plugins ▸ Nuclei ▸ Nuclei "
            "(Nuclei))."
        )
        records = records[:MAX_IMAGES]
    missing: dict[str, str] = {}
    layers: list[LayerData] = []
    for record in records:
        found = [] if is_list else _image_layer(path, record, sidecar)
        if found == [] and not is_list:
            missing[record.file_name] = sidecar.gaps.get(record.file_name, MISSING)
        layers += [*(found or []), _nuclei_layer(record)]
    if missing:
        words = Located(gaps=missing).summary()
        show_warning(
            f"Not found beside {path.name}: {words}. Open the image itself, and its nuclei "
            "appear on it."
        )
    return layers or [(None,)]  # type: ignore[list-item] # napari's word for "read, no layer"


def _of_data_set(data: DataSet) -> list[Record]:
    """Make one record of each image, and one of all planes of a stack."""
    records: dict[Any, Record] = {}
    for image in data.images:
        plane, stack = _place(image)
        key = (image.file_name, stack, image.channels) if stack else image.id
        if key not in records:
            extra = {k: v for k, v in image.extra.items() if k not in ("plane", "stack")}
            if image.modality:
                extra["modality"] = image.modality
            first = max(0, image.id - number_of(plane, stack))
            records[key] = Record(image.shape, image.file_name, first, stack=stack, extra=extra)
            records[key].categories = data.categories
        records[key].reviews[plane] = Review(data.of(image))
    return list(records.values())


def _place(image: ImageRecord) -> tuple[Plane, tuple[int, ...]]:
    """Return which plane of which stack an image is; two times () for a single one."""
    plane, stack = image.extra.get("plane"), image.extra.get("stack")
    if not isinstance(plane, list) or not isinstance(stack, list) or len(plane) != len(stack):
        return (), ()
    if not all(isinstance(n, int) for n in (*plane, *stack)):
        return (), ()
    if not all(0 <= k < n for k, n in zip(plane, stack, strict=True)):
        raise UserError(f"image {image.file_name}: plane {plane} lies outside {stack}")
    return tuple(plane), tuple(stack)


def _image_layer(source: Path, record: Record, sidecar: Sidecar) -> list[LayerData] | None:
    """Return the image layer, [] if there is no file, None if it could not be opened."""
    name = Path(record.file_name.replace("\\", "/"))
    path = sidecar.image(source, record.file_name)
    if path is None:
        return []
    try:
        pixels = _pixels(path, record)
    except UserError:  # its words are for the shell, where a channel or plane can be named
        show_warning(
            f"{path.name} cannot be opened together with its nuclei. Open it by itself, and they "
            "appear on it."
        )
        return None
    levels = pixels if isinstance(pixels, list) else [pixels]
    if levels[0].shape[: len(record.layer_shape)] != record.layer_shape:
        size, said = (" × ".join(map(str, s)) for s in (levels[0].shape, record.layer_shape))
        raise UserError(f"{path} is {size}, but the file with its nuclei says {said}.")
    record.file, record.homes = path.absolute(), tuple(sidecar.homes or ())
    about: dict[str, Any] = {"name": name.stem, "metadata": {KEY: record}}
    if isinstance(pixels, list):
        about["multiscale"] = True
    return [(pixels, about, "image")]


def _pixels(path: Path, record: Record) -> NDArray[Any] | list[Any]:
    """Read the pixels; of a large image that is read in parts, return its levels."""
    from ...images.images import image_info, read_image
    from ...images.large_files import open_image

    named = list(record.extra.get("channels") or ())
    chosen = named if named and image_info(path).channels > 1 else None
    if not record.stack:
        picture = open_image(path, channels=chosen) if is_large(record.shape) else None
        if picture is not None and not isinstance(picture.levels[0], np.ndarray):
            return list(levels_of([picture], ()))
        return read_image(path, channels=chosen)
    numbers = range(int(np.prod(record.stack)))
    planes = [read_image(path, plane=k, channels=chosen) for k in numbers]
    return np.stack(planes).reshape(*record.stack, *planes[0].shape)


def _nuclei_layer(record: Record) -> LayerData:
    name = f"{Path(record.file_name).stem} nuclei"
    meta: dict[str, Any] = {"name": name, "metadata": {KEY: record}, "opacity": 0.5}
    first = next(iter(record.reviews.values()), None)
    if first is not None:
        meta["features"] = Table().of(first.nuclei.shown())
    return first_pixels(record), meta, "labels"
