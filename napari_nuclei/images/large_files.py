"""Files too large to be read whole: zarr, OME-Zarr, tiled and pyramidal TIFF, tile by tile.

Here: opening them as a `LargeImage` that reads what it is asked for. Not here: ordinary files
(`decoders.py`), which axes mean what in a TIFF (`tiff.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError
from .decoders import TIFF_MAGIC, Channels, ImageInfo, decode, pick_plane, starts_with
from .images import is_zarr
from .large_image import WHOLE, LargeImage

SMALL = 1 << 20
"""Files of fewer bytes are always read whole."""


def open_image(
    path: Path, plane: int | None = None, channels: Channels | None = None
) -> LargeImage:
    """Open one plane of any image file or zarr; small ones are read at once.

    Raises
    ------
    UserError
        As `images.read_image`.
    """
    if is_zarr(path):
        return open_zarr(path, plane, channels)
    large = open_large_tiff(path, plane, channels)
    return LargeImage(decode(path, plane, channels)) if large is None else large


def is_read_in_parts(path: Path) -> bool:
    """Whether a file is a zarr, or a large TIFF in tiles."""
    if is_zarr(path):
        return True
    try:
        return open_large_tiff(path, 0) is not None
    except UserError:
        return False


class Plane:
    """One plane of a lazy array, (H, W) or (H, W, C), read where it is sliced.

    Parameters
    ----------
    array : array-like
        Anything with `shape` and `dtype` that slices.
    axes : str
        A letter for each dimension: Y, X; C for separate channels; S for the samples of RGB(A);
        any other counts planes.
    plane : int or None
        Which plane, counted in the array's own order.
    channels : int, sequence of int or None
        Which channels, up to three.
    file : _OpenFile, optional
        What is to stay open as long as it lives.

    Raises
    ------
    UserError
        If there is no such plane or channel, or several and none is named.
    """

    def __init__(
        self,
        array: Any,
        axes: str,
        plane: int | None,
        channels: Channels | None,
        file: _OpenFile | None = None,
    ) -> None:
        self._array, self._axes, self._file = array, axes, file
        sizes = dict(zip(axes, array.shape, strict=True))
        stack = [n for a, n in sizes.items() if a not in "YXCS"]
        number = pick_plane(math.prod(stack), plane)
        at = iter(np.unravel_index(number, stack) if stack else ())
        self._at = {a: int(next(at)) for a in axes if a not in "YXCS"}
        self._colours = _wanted(sizes, channels)
        self.dtype = np.dtype(array.dtype)
        extra = (len(self._colours),) if len(self._colours) > 1 else ()
        self.shape: tuple[int, ...] = (sizes["Y"], sizes["X"], *extra)
        self.ndim = len(self.shape)

    def __getitem__(self, index: tuple[slice, slice]) -> NDArray[Any]:
        window = {"Y": index[0], "X": index[1], **self._at}
        full = tuple(window.get(a, slice(None)) for a in self._axes)
        found = np.asarray(self._array[full])
        left = [a for a, i in zip(self._axes, full, strict=True) if isinstance(i, slice)]
        found = found.transpose([left.index(a) for a in "YXCS" if a in left])
        if found.ndim == 2:
            return found
        return found[..., self._colours] if self.ndim == 3 else found[..., self._colours[0]]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:, :], dtype)


def _wanted(sizes: dict[str, int], channels: Channels | None) -> list[int]:
    if "C" in sizes and "S" in sizes:
        raise UserError("separate channels of RGB pixels are not supported")
    count = sizes.get("C", min(3, sizes.get("S", 1)) if sizes.get("S", 1) > 2 else 1)
    if channels is None:
        if sizes.get("C", 1) > 1:
            raise UserError(
                f"{count} channels: name one, or up to three, with --channels (0 to {count - 1})"
            )
        return list(range(count))
    wanted = [channels] if isinstance(channels, int) else list(channels)
    if wrong := [c for c in wanted if not 0 <= c < count]:
        raise UserError(f"no channel {wrong[0]}: there are {count}, counted from 0")
    if len(wanted) > 3:
        raise UserError(f"{len(wanted)} channels named: name one to three")
    return wanted


# -- zarr -------------------------------------------------------------------------------


def zarr_info(path: Path) -> ImageInfo:
    """Tell what a zarr holds. Raises `UserError` if it is none."""
    arrays, axes = _zarr_levels(path)
    sizes = dict(zip(axes, arrays[0].shape, strict=True))
    planes = math.prod(n for a, n in sizes.items() if a not in "YXCS")
    return ImageInfo(sizes["Y"], sizes["X"], planes, sizes.get("C", 1))


def zarr_axes(path: Path) -> tuple[str, tuple[int, ...]]:
    """Return the axes of a zarr, a letter each, and its shape. Raises `UserError` if it is none."""
    arrays, axes = _zarr_levels(path)
    return axes, tuple(int(n) for n in arrays[0].shape)


def open_zarr(path: Path, plane: int | None = None, channels: Channels | None = None) -> LargeImage:
    """Open an array, or the levels of an OME-Zarr image; nothing is read yet.

    Raises
    ------
    UserError
        If it is neither, or as `Plane`.
    """
    arrays, axes = _zarr_levels(path)
    try:
        return LargeImage([Plane(array, axes, plane, channels) for array in arrays])
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _zarr_levels(path: Path) -> tuple[list[Any], str]:
    import zarr

    try:
        node: Any = zarr.open(str(path), mode="r")
        if isinstance(node, zarr.Array):
            return [node], _usual_axes(node.shape)
        about = dict(node.attrs)
        about = about.get("ome", about)
        scales = about.get("multiscales")
        if not scales:
            raise UserError("a zarr group without an OME-Zarr image: name an array in it")
        arrays = [node[item["path"]] for item in scales[0]["datasets"]]
        return arrays, _ome_axes(scales[0].get("axes"), arrays[0].ndim)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    except Exception as error:  # stores raise nearly anything on broken ones
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise UserError(f"{path}: not a zarr that can be read ({reason})") from error


def _ome_axes(axes: Sequence[Any] | None, ndim: int) -> str:
    if axes is None:  # before version 0.3 they were always these
        return "TCZYX"[-ndim:]
    names = [a["name"] if isinstance(a, dict) else a for a in axes]
    letters = "".join(str(name)[:1].upper() for name in names)
    if len(letters) != ndim or not {"Y", "X"} <= set(letters):
        raise UserError(f"its axes are {', '.join(map(str, names))}: y and x are wanted")
    return letters


def _usual_axes(shape: Sequence[int]) -> str:
    """Of a plain array without names of axes: colours last, planes first."""
    if len(shape) < 2:
        raise UserError(f"an image has 2 dimensions or more; this has {len(shape)}")
    colours = len(shape) > 2 and shape[-1] in (3, 4)
    lead = len(shape) - 2 - colours
    return "TUVWZ"[5 - lead :] + "YX" + "S" * colours


# -- TIFF -------------------------------------------------------------------------------


def open_large_tiff(
    path: Path, plane: int | None = None, channels: Channels | None = None
) -> LargeImage | None:
    """Open a large tiled or pyramidal TIFF of gray or RGB; None if it has to be read whole.

    Its file stays open as long as one of its levels lives.
    """
    import tifffile

    if not path.is_file() or path.stat().st_size < SMALL or not starts_with(path, TIFF_MAGIC):
        return None
    try:
        file = tifffile.TiffFile(path)
        series = file.series[0]
        page = series.keyframe
    except Exception:  # the ordinary way says what is wrong with it
        return None
    if page.photometric not in (1, 2, 6) or not page.is_tiled or _px_of(series) <= WHOLE:
        file.close()
        return None
    import zarr

    levels, keep = range(len(series.levels)), _OpenFile(file)
    arrays: list[Any] = [zarr.open(series.aszarr(level=k), mode="r") for k in levels]
    try:
        return LargeImage([Plane(array, series.axes, plane, channels, keep) for array in arrays])
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


class _OpenFile:
    """A file that is closed once nobody reads it any more."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def __del__(self) -> None:
        self._file.close()


def _px_of(series: Any) -> int:
    sizes = dict(zip(series.axes, series.shape, strict=True))
    return int(sizes.get("Y", 0) * sizes.get("X", 0))
