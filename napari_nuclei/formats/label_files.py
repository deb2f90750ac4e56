"""Label images of any kind of file, read: TIFF, PNG and others, `.npy`, `.npz`, zarr."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FormatError, UserError
from ..images.decoders import TIFF_MAGIC, open_picture, stored_pixels
from ..images.finding import is_zarr
from ..images.planes import TURNS
from ..images.trouble import one_line
from ..images.zarr_files import holds_labels, image_levels, label_levels
from ..nuclei import Nuclei
from ..nuclei.label_check import from_lossy, ids_of_colours, remark_on, softened, whole
from ..nuclei.labels import from_labels

Pixels = NDArray[Any]

NUMPY_MAGIC, ZIP_MAGIC = b"\x93NUMPY", b"PK\3\4"

LIMIT = 1 << 33
"""Bytes of an array in a zip file that are read at most."""

LOSSY = ("JPEG", "MPO")
"""Formats of Pillow that change values."""

SPLIT = "--split (in Python: split=True) makes each piece one"
"""What can be done about clumped nuclei."""


def read(path: Path, remarks: list[str] | None = None, advice: str = SPLIT) -> Nuclei:
    """Read a label image; each value other than 0 becomes a nucleus with that id.

    Parameters
    ----------
    path : Path
        The file, or a zarr.
    remarks : list of str, optional
        Takes what a person should know of how it was read.
    advice : str
        What the person can do where several nuclei have one value; without it that is no remark.

    Raises
    ------
    UserError
        If it cannot be read, is a stack, or looks like a photograph.
    """
    said = [] if remarks is None else remarks
    if not path.exists():
        raise FormatError(f"cannot read {path}: there is no such file")
    with one_line(path):
        if not path.is_dir() and not path.stat().st_size:
            raise FormatError("the file is empty (0 bytes)")
        pixels, is_lossy = numbers(path)
        try:
            labels = _labels(pixels, is_lossy, path.name, said)
            if (words := remark_on(labels)) and advice:
                said.append(
                    f"{path.name}: {words}, and each value is read as one nucleus; {advice}."
                )
            return from_labels(labels, path.name)
        except ValueError as error:
            raise FormatError(str(error)) from error


def image_of(path: Path) -> Path | None:
    """Return the OME-Zarr image that labels belong to which lie inside of it."""
    if not path.is_dir():
        return None
    inside = next((p.parent for p in (path, *path.parents) if p.name == "labels"), None)
    found = inside or (path if holds_labels(path) else None)
    # What holds it alone is named for it, as a converter's outer folder is.
    while found is not None and is_zarr(found.parent) and _is_image(found.parent):
        found = found.parent
    return found if found is not None and _is_image(found) else None


def _is_image(path: Path) -> bool:
    try:
        image_levels(path)
    except UserError:
        return False
    return True


def _labels(pixels: Pixels, is_lossy: bool, name: str, remarks: list[str]) -> Pixels:
    """Return one plane of whole numbers."""
    pixels = np.squeeze(pixels) if pixels.ndim > 3 else pixels
    if pixels.ndim == 3 and 1 in pixels.shape[::2]:
        pixels = pixels[0] if pixels.shape[0] == 1 else pixels[..., 0]
    if pixels.ndim == 3 and pixels.shape[2] <= 4 < pixels.shape[1]:
        gray = ids_of_colours(pixels)
        if gray.dtype != pixels.dtype:
            if is_lossy:
                raise ValueError(
                    "it is a colour JPEG, from which ids cannot be read: save it as PNG"
                )
            remarks.append(f"{name}: each colour is read as one nucleus, black as background.")
        pixels = gray
    if pixels.ndim != 2:
        raise ValueError(
            f"it is not a label image but {pixels.dtype} of shape {pixels.shape}: one plane of "
            "whole numbers is needed, 0 for background"
        )
    if is_lossy:
        remarks.append(f"{name}: JPEG changes values; what is brighter than half is read as mask.")
        return from_lossy(pixels)
    if (mask := softened(pixels)) is not None:
        remarks.append(
            f"{name}: a mask with soft edges; what is brighter than half is read as mask."
        )
        return mask
    return whole(pixels)


# -- the numbers in a file --------------------------------------------------------------


def numbers(path: Path) -> tuple[Pixels, bool]:
    """Return the numbers of a file, and whether they may have been changed by compression.

    Any exception may come of a file that is broken.
    """
    if is_zarr(path):
        return _of_zarr(path), False
    if path.is_dir():
        raise FormatError("is a folder, not a label image")
    from PIL import UnidentifiedImageError

    with path.open("rb") as file:
        head = file.read(8)
    kinds: dict[tuple[bytes, ...], Callable[[Path], Pixels]] = {
        TIFF_MAGIC: _of_tiff,
        (NUMPY_MAGIC,): _of_npy,
        (ZIP_MAGIC,): _of_npz,
    }
    for magic, reader in kinds.items():
        if head.startswith(magic):
            return reader(path), False
    try:
        with open_picture(path) as picture:
            return stored_pixels(picture, path), picture.format in LOSSY
    except UnidentifiedImageError:
        raise FormatError("not a TIFF, PNG or other label image that can be read") from None


def _of_zarr(path: Path) -> Pixels:
    levels = label_levels(path)
    array, axes = levels.arrays[0], levels.axes
    taken = tuple(
        0 if n == 1 and a not in "YX" else slice(None)
        for a, n in zip(axes, array.shape, strict=True)
    )
    found = np.asarray(array[taken])
    left = [a for a, i in zip(axes, taken, strict=True) if isinstance(i, slice)]
    return found.transpose(np.argsort(["YX".find(a) for a in left], kind="stable"))


def _of_tiff(path: Path) -> Pixels:
    import tifffile

    from ..images.tiff import ORIENTATION, main_image
    from ..images.tiff_colours import as_mask

    with tifffile.TiffFile(path) as file:
        series, _ = main_image(file)
        if any(page is None for page in series.pages):
            raise ValueError("a page is missing")
        axes, page = series.axes, series.keyframe
        found = as_mask(np.asarray(series.asarray()), page)
        if "S" in axes:
            found = np.moveaxis(found, axes.index("S"), -1)
        swapped, upside_down, mirrored = TURNS.get(page.tags.valueof(ORIENTATION, 1), (False,) * 3)
    y, x = axes.replace("S", "").index("Y"), axes.replace("S", "").index("X")
    found = found.swapaxes(y, x) if swapped else found
    found = np.flip(found, y) if upside_down else found
    return np.flip(found, x) if mirrored else found


def _of_npy(path: Path) -> Pixels:
    with path.open("rb") as file:
        return _array(file)


def _array(file: Any) -> Pixels:
    try:
        return np.asarray(np.lib.format.read_array(file, allow_pickle=False))
    except ValueError as error:
        if "allow_pickle" in str(error):
            raise FormatError("holds Python objects and not the numbers of an image") from error
        raise


def _of_npz(path: Path) -> Pixels:
    with zipfile.ZipFile(path) as archive:
        arrays = [entry for entry in archive.infolist() if entry.filename.endswith(".npy")]
        if not arrays:
            raise FormatError("a zip file without an array in it")
        if len(arrays) > 1:
            names = ", ".join(entry.filename.removesuffix(".npy") for entry in arrays[:5])
            raise FormatError(f"holds {len(arrays)} arrays ({names}): save the labels alone")
        if arrays[0].file_size > LIMIT:
            raise FormatError("holds more than 8 GB: save it as TIFF")
        with archive.open(arrays[0]) as file:
            return _array(file)
