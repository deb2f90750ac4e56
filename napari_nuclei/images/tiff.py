"""TIFF files: which of their pages are planes, and what their samples mean.

Here: a TIFF's main image as an array that reads only what it is asked for, through tifffile.
Not here: other formats and the choice of a plane (`decoders.py`).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage, TiffPageSeries

Pixels = NDArray[Any]

# TIFF's codes for what the samples mean.
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _CMYK, _YCBCR = 0, 1, 2, 5, 6


@contextmanager
def open_tiff(path: Path) -> Iterator[TiffArray]:
    """Open the main image of a TIFF; smaller ones are thumbnails, labels, pyramid levels."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        _check_chain(file)
        if not file.series:
            raise ValueError("no page in it")
        first = file.series[0]
        if len([s for s in file.series if s.size >= first.size]) > 1:
            raise UserError(f"{len(file.series)} separate images in one file: save them apart")
        yield TiffArray(first)


def _check_chain(file: TiffFile) -> None:
    """Fail where the list of pages leads out of a cut file; tifffile only logs that."""
    kind, handle = file.tiff, file.filehandle
    place = file.pages.first.offset
    seen: set[int] = set()
    while place and place not in seen:
        seen.add(place)
        handle.seek(place)
        count = handle.read(kind.tagnosize)
        if len(count) == kind.tagnosize:
            handle.seek(struct.unpack(kind.tagnoformat, count)[0] * kind.tagsize, 1)
        following = handle.read(kind.offsetsize)
        if len(following) < kind.offsetsize:
            raise ValueError(f"page {len(seen) - 1} is missing")
        place = struct.unpack(kind.offsetformat, following)[0]


class TiffArray:
    """A TIFF series as an array of gray or RGB that reads only the pages it is asked for.

    Attributes
    ----------
    axes, shape
        As `to_plane` wants them: samples last, as S if they are colours and as C if not.
    """

    def __init__(self, series: TiffPageSeries) -> None:
        self._series, self._page = series, series.keyframe
        if self._page.photometric not in range(_YCBCR + 1) or self._page.photometric == 4:
            raise UserError("its kind of colours is not supported: save it as RGB")
        sizes = dict(zip(series.axes, series.shape, strict=True))
        lead = series.axes.removesuffix(self._page.axes)
        self._lead = tuple(sizes[a] for a in lead)
        # A huge or foreign file may have one page record for all of its planes.
        self._paged = len(lead) + len(self._page.axes) == len(sizes) and (
            len(series.pages) == math.prod(self._lead)
        )
        self._stored = series.axes
        own = "S" if "C" in sizes else _samples(self._page)
        self.axes = series.axes.replace("S", "") + own * ("S" in sizes)
        self.shape = tuple(sizes[a if a in sizes else "S"] for a in self.axes)
        if _palette(self._page) is not None:
            self.axes, self.shape = self.axes + "S", (*self.shape, 3)

    def __getitem__(self, index: tuple[Any, ...]) -> Pixels:
        of_axis = dict(zip(self.axes, index, strict=True))
        index = tuple(of_axis.get(a, slice(None)) for a in self._stored)
        if self._paged:
            lead = len(self._lead)
            numbers = np.arange(len(self._series.pages)).reshape(self._lead)[index[:lead]]
            pages = [_page_pixels(self._series, int(n)) for n in np.ravel(numbers)]
            found = np.reshape(pages, (*np.shape(numbers), *self._page.shape))
            found = found[(*[slice(None)] * np.ndim(numbers), *index[lead:])]
        else:
            found = self._series.asarray()[index]
        left = [a for a, i in zip(self._stored, index, strict=True) if isinstance(i, slice)]
        if "S" in left:
            found = np.moveaxis(found, left.index("S"), -1)
        return _gray_or_rgb(found, self._page)


def _page_pixels(series: TiffPageSeries, number: int) -> Pixels:
    page = series[number]
    if page is None:
        raise ValueError(f"page {number} is missing")
    return page.asarray()


def _samples(page: TiffPage) -> str:
    """Tell whether a page's samples are colours and alpha, or channels of their own."""
    gray = page.photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO)
    colours = not gray or (page.samplesperpixel == 2 and page.extrasamples[0] in (1, 2))
    return "S" if colours else "C"


def _palette(page: TiffPage) -> NDArray[np.uint8] | None:
    """Return a palette, (3, N). ImageJ's do not count: they only show the intensities."""
    table = page.colormap
    if table is None or page.parent.is_imagej:
        return None
    return (table if table.max() < 256 else table >> 8).astype(np.uint8)


def _gray_or_rgb(pixels: Pixels, page: TiffPage) -> Pixels:
    """Undo white-is-zero and CMYK, look up a palette; samples are the last axis."""
    # Not for bool: masks are often written as white-is-zero and meant the other way round.
    if page.photometric == _WHITE_IS_ZERO and pixels.dtype.kind == "u":
        top = pixels.dtype.type(2**page.bitspersample - 1)
        inverted: Pixels = top ^ pixels
        return inverted
    if page.photometric == _CMYK:
        top = np.iinfo(pixels.dtype).max
        light = (top - pixels[..., :4]).astype(np.float64) / top
        return np.rint(light[..., :3] * light[..., 3:] * top).astype(pixels.dtype)
    palette = _palette(page)
    return pixels if palette is None else np.moveaxis(palette[:, pixels], 0, -1)
