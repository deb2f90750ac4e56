"""Images: finding them, reading them, and bringing them to the range that the network wants.

Here: files and folders → list of paths, path → array of one plane, array → normalised
(H, W, 3) float32. Not here: file formats (`decoders.py`), tiles and resizing (`prediction/`),
layers (`_napari/`).
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import UserError
from .decoders import Channels, ImageInfo, Pixels, decode, inspect, pick_channels
from .own_outputs import is_own_output

IMAGE_SUFFIXES = frozenset(
    ".png .jpg .jpeg .tif .tiff .bmp .gif .webp .jp2 .pgm .ppm .zarr".split()
)
"""Endings that count as images when a folder or a pattern is searched; lower case."""

ZARR_MARKS = ("zarr.json", ".zgroup", ".zarray")
"""Files by which a folder is known to be a zarr."""

PERCENTILES = (1.0, 99.8)
"""Levels that become 0 and 1."""

LOW, HIGH = -0.3, 1.5
"""Ends of the normalised range; 0 and 1 are the percentiles."""


def find_images(paths: str | Path | Iterable[str | Path]) -> list[Path]:
    """List the image files that paths, folders and patterns stand for.

    Parameters
    ----------
    paths : path or iterable of paths
        Files (taken whatever their ending), folders (searched for `IMAGE_SUFFIXES`, not
        below, hidden files skipped) or patterns such as ``"scans/*.tif"``. Of a folder, and of
        a pattern that other images match too, what this program has written is left out.

    Returns
    -------
    list of Path
        In the order given, each folder's and pattern's files in natural order, none twice.

    Raises
    ------
    UserError
        If one of them does not exist or stands for no image.
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    if not given:
        raise UserError("no image was named: name a file, a folder or a pattern")
    return list(dict.fromkeys(path for item in given for path in _find(item)))


def _find(item: str | Path) -> list[Path]:
    path = Path(item).expanduser()
    if is_zarr(path):
        return [path]
    if path.is_dir():
        try:
            found = _only_images(path.iterdir())
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror})") from error
        if not found:
            raise UserError(f"{path}: no image in this folder (looked for {_endings()})")
        images = [image for image in found if not is_own_output(image)]
        if not images:
            raise UserError(
                f"{path}: no image in this folder but what was written by napari-nuclei "
                f"({found[0].name}): name such files one by one if they are meant"
            )
        return images
    if path.exists():
        return [path]
    if not glob.has_magic(str(path)):
        raise UserError(f"{path}: no such file or folder")
    found = _only_images(Path(match) for match in glob.glob(str(path)))
    if not found:
        raise UserError(f"{path}: no image matches (looked for {_endings()})")
    return [image for image in found if not is_own_output(image)] or found


def is_zarr(path: Path) -> bool:
    """Whether a folder is a zarr array or group."""
    return path.is_dir() and any((path / mark).is_file() for mark in ZARR_MARKS)


def _only_images(paths: Iterable[Path]) -> list[Path]:
    found = (p for p in paths if p.suffix.lower() in IMAGE_SUFFIXES and p.name[0] != ".")
    return sorted((p for p in found if p.is_file() or is_zarr(p)), key=_natural)


def _natural(path: Path) -> tuple[list[tuple[int, str]], str]:
    """Sort key in which "b2" comes before "b10"; the plain path breaks ties."""
    parts = re.split(r"([0-9]+)", str(path).casefold())
    return [(int(p), "") if i % 2 else (0, p) for i, p in enumerate(parts)], str(path)


def _endings() -> str:
    return ", ".join(sorted(IMAGE_SUFFIXES))


def image_info(path: str | Path) -> ImageInfo:
    """Tell the size, planes and channels of an image file without decoding its pixels.

    Raises
    ------
    UserError
        As `read_image`.
    """
    if is_zarr(Path(path)):
        from .large_files import zarr_info

        return zarr_info(Path(path))
    return inspect(Path(path))


def image_size(path: str | Path) -> tuple[int, int]:
    """Return (height, width) of an image file in px, without decoding its pixels.

    Raises
    ------
    UserError
        As `read_image`.
    """
    info = image_info(path)
    return info.height, info.width


def read_image(
    path: str | Path, *, plane: int | None = None, channels: Channels | None = None
) -> Pixels:
    """Read one plane of an image file.

    Parameters
    ----------
    path : path
        TIFF, PNG, JPEG, BMP and others; judged by content, not by name.
    plane : int, optional
        Which plane of a stack or film, from 0, counted in the file's own order.
    channels : int or sequence of int, optional
        Which channel of a multichannel or RGB image, or up to three, shown as R, G, B.

    Returns
    -------
    ndarray, (H, W) or (H, W, 3)
        In the file's own data type and native byte order. Palettes are looked up, CMYK
        becomes RGB, alpha is dropped, white-is-zero is inverted.

    Raises
    ------
    UserError
        If the file is missing, broken, cut short, empty or no image, if there is no such
        plane or channel, or if there are several and none is named.
    """
    return decode(Path(path), plane, channels)


def normalize(
    pixels: ArrayLike,
    channels: Channels | None = None,
    *,
    levels: tuple[float, float] | None = None,
) -> NDArray[np.float32]:
    """Bring an image to the range that the network was trained on.

    Parameters
    ----------
    pixels : array-like, (H, W) or (H, W, C)
        Numbers of any real type. Of more than three channels the first three are taken.
    channels : int or sequence of int, optional
        Which channels to take, up to three; one is repeated.
    levels : (float, float), optional
        Levels that become 0 and 1, for a part of a larger image; by default `find_levels`.

    Returns
    -------
    ndarray, (H, W, 3) float32
        `LOW` … `HIGH`; gray repeated. NaN and infinite pixels are 0.

    Raises
    ------
    UserError
        If this is no image: empty, complex, or of other dimensions.
    """
    image = _as_image(pixels, channels)
    low, high = levels or find_levels(image)
    wide = image.dtype.itemsize > (4 if image.dtype.kind == "f" else 2) or max(high, -low) > 1e18
    work: NDArray[np.floating] = image.astype(np.float64 if wide else np.float32)
    if image.dtype.kind == "f":
        work[~_usable(image)] = low
    # The limit is relative as well, so that rounding errors are not blown up to contrast.
    least = 1e-6 * max(high, -low) if image.dtype.kind == "f" else 1e-6
    np.subtract(work, low, out=work)
    np.divide(work, max(high - low, least) or 1.0, out=work)
    result = np.clip(work, LOW, HIGH, out=work).astype(np.float32, copy=False)
    if result.shape[2] == 2:
        result = np.pad(result, ((0, 0), (0, 0), (0, 1)))
    if result.shape[2] == 3:
        return result
    return np.ascontiguousarray(np.broadcast_to(result, (*result.shape[:2], 3)))


def find_levels(pixels: ArrayLike, channels: Channels | None = None) -> tuple[float, float]:
    """Return the percentiles 1 and 99.8 over all channels that `normalize` takes.

    NaN and infinite pixels do not count; with no other pixel both levels are 0.
    """
    image = _as_image(pixels, channels)
    if image.dtype.kind == "b":
        image = image.astype(np.uint8)  # Pillow's true is 255
    if image.dtype.kind == "f":
        usable = _usable(image)
        values = image.ravel() if usable.all() else image[usable]
        if not values.size:
            return 0.0, 0.0
    else:
        low = int(image.min())
        if int(image.max()) - low < 1 << 16:
            return _histogram_levels(image, low)
        values = image.ravel()
    first, second = np.percentile(values.astype(np.float64), PERCENTILES)
    return float(first), float(second)


def _histogram_levels(image: Pixels, low: int) -> tuple[float, float]:
    """Exact percentiles of integers, many times faster than by sorting."""
    if low < 0 or image.dtype.itemsize > 2:
        own = image if image.dtype.itemsize == 8 else image.astype(np.int64)
        image = (own - own.dtype.type(low)).astype(np.int64)
    else:
        low = 0
    parts = np.array_split(image.ravel(), image.size // (1 << 22) + 1)  # bincount widens each
    ends = np.cumsum(sum(np.bincount(part, minlength=1 << 16) for part in parts))
    place = np.array(PERCENTILES) / 100 * (image.size - 1)
    below = np.searchsorted(ends, np.floor(place), side="right")
    above = np.searchsorted(ends, np.ceil(place), side="right")
    first, second = below + (above - below) * (place % 1) + low
    return float(first), float(second)


def _usable(image: Pixels) -> NDArray[np.bool_]:
    """Tell which floating-point pixels are numbers whose differences are numbers too."""
    usable: NDArray[np.bool_] = np.abs(image) <= min(1e300, float(np.finfo(image.dtype).max))
    return usable


def _as_image(pixels: ArrayLike, channels: Channels | None) -> Pixels:
    """Return (H, W, 1…3) of native byte order."""
    array = np.asarray(pixels)
    if array.dtype.kind not in "buif":
        raise UserError(f"pixels of type {array.dtype} are not supported: give real numbers")
    if array.ndim not in (2, 3):
        raise UserError(f"an image has 2 dimensions, or 3 with channels; this has {array.ndim}")
    if not array.size:
        raise UserError(f"the image is empty (shape {array.shape})")
    if array.ndim == 2:
        array = array[..., None]
    if channels is not None:
        array = pick_channels(array, channels)
        array = array if array.ndim == 3 else array[..., None]
    return array[..., :3].astype(array.dtype.newbyteorder("="), copy=False)
