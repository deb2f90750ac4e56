"""Files too large to be read whole: zarr, OME-Zarr, tiled and pyramidal TIFF, tile by tile."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .decoders import TIFF_MAGIC, Channels, ImageInfo, check_type, decode, starts_with
from .finding import is_zarr
from .large_image import WHOLE, LargeImage
from .planes import LazyPlane, planes_of
from .tiff import TiffArray, main_image
from .trouble import one_line
from .zarr_files import Levels, image_levels

if TYPE_CHECKING:
    from tifffile import TiffPageSeries

    from .ome_set import Alone

__all__ = ["SMALL", "LazyPlane", "is_read_in_parts", "open_image", "open_zarr", "zarr_info"]

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
    with _large_tiff(path) as found:
        return found is not None


def _checked(planes: list[LazyPlane]) -> LargeImage:
    check_type(planes[0].dtype)
    return LargeImage(planes)


# -- zarr -------------------------------------------------------------------------------


def zarr_info(path: Path) -> ImageInfo:
    """Tell what a zarr holds. Raises `UserError` if it is none."""
    axes, shape = zarr_axes(path)
    sizes = dict(zip(axes, shape, strict=True))
    planes = planes_of(axes, shape)
    return ImageInfo(sizes["Y"], sizes["X"], planes, sizes.get("C", 1))


def zarr_axes(path: Path) -> tuple[str, tuple[int, ...]]:
    """Return the axes of a zarr, a letter each, and its shape. Raises `UserError` if it is none."""
    levels = image_levels(path)
    return levels.axes, tuple(int(n) for n in levels.arrays[0].shape)


def open_zarr(path: Path, plane: int | None = None, channels: Channels | None = None) -> LargeImage:
    """Open an array, or the levels of an OME-Zarr image; nothing is read yet.

    Raises
    ------
    UserError
        If it is neither, or as `LazyPlane`.
    """
    return planes_in(path, image_levels(path), plane, channels)


def planes_in(
    path: Path, levels: Levels, plane: int | None = None, channels: Channels | None = None
) -> LargeImage:
    """Choose a plane of the arrays of a zarr. Raises `UserError` as `LazyPlane`."""
    with one_line(path):
        return _checked(
            [LazyPlane(array, levels.axes, plane, channels, source=path) for array in levels.arrays]
        )


# -- TIFF -------------------------------------------------------------------------------


def open_large_tiff(
    path: Path, plane: int | None = None, channels: Channels | None = None
) -> LargeImage | None:
    """Open a large tiled or pyramidal TIFF; None if it has to be read whole.

    Its file stays open as long as one of its levels lives.
    """
    with _large_tiff(path) as found:
        if found is None:
            return None
        keep, series, alone = found
        with one_line(path):
            arrays = [TiffArray(level, alone, in_parts=True) for level in _levels(series)]
            first = arrays[0]
            chosen = first.choice(plane, channels)
            return _checked(
                [
                    LazyPlane(array, array.axes, *chosen, keep, first.orientation, path)
                    for array in arrays
                    if _has_same(array, first)
                ]
            )


def _levels(series: TiffPageSeries) -> list[TiffPageSeries]:
    return [series, *series.levels[1:]]


def _has_same(level: TiffArray, first: TiffArray) -> bool:
    """Whether a level has the planes and channels of the finest one."""

    def others(array: TiffArray) -> list[int]:
        return [n for a, n in zip(array.axes, array.shape, strict=True) if a not in "YX"]

    return level.axes == first.axes and others(level) == others(first)


class _OpenFile:
    """A TIFF that is closed once nobody reads it any more."""

    def __init__(self, path: Path) -> None:
        from tifffile import TiffFile

        self.tiff = TiffFile(path)
        # Not __del__: Python's collector could come to the file first, and warn that it is open.
        self.close = weakref.finalize(self, self.tiff.close)


@contextmanager
def _large_tiff(path: Path) -> Iterator[tuple[_OpenFile, TiffPageSeries, Alone] | None]:
    """Open a TIFF that is to be read in parts; None for all other files and broken ones."""
    found = keep = None
    try:
        if path.is_file() and path.stat().st_size >= SMALL and starts_with(path, TIFF_MAGIC):
            keep = _OpenFile(path)
            series, alone = main_image(keep.tiff)
            if series.keyframe.is_tiled and _px_of(series) > WHOLE:
                found = keep, series, alone
    except Exception:  # the ordinary way says what is wrong with it
        found = None
    if found is None and keep is not None:
        keep.close()
    try:
        yield found
    except BaseException:
        if keep is not None:
            keep.close()
        raise


def _px_of(series: Any) -> int:
    sizes = dict(zip(series.axes, series.shape, strict=True))
    return int(sizes.get("Y", 0) * sizes.get("X", 0))
