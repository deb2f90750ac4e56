"""TIFF files: which of their pages are planes of the image."""

from __future__ import annotations

import logging
import math
import re
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError
from . import ome_set, tiff_colours
from .ome_set import Alone
from .planes import Channels

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffFrame, TiffPage, TiffPageSeries

Pixels = NDArray[Any]

ORIENTATION = 274
"""TIFF's number, and EXIF's, of the tag that says which way up the image is."""

_SIDE_PICTURE = re.compile(r"\b(label|macro|thumbnail|overview|preview|map)\b", re.IGNORECASE)
"""What scanners call the pictures that they keep beside a slide."""

_REDUCED, _MASK = 1, 4
"""Bits of a page's kind: a smaller copy of another one, and what is see-through of it."""

# What it has to say of odd files is for programmers; what matters is raised here.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_STRICT = (1, 5, 8, 32773, 32946, 50000)
"""Compressions whose decoders fail on data that are cut short, as that of JPEG does not."""

LARGEST_READ = 1 << 28
"""Bytes of a stack without a record for each plane up to which all of it is read for one."""


@contextmanager
def open_tiff(path: Path) -> Iterator[TiffArray]:
    """Open the main image of a TIFF; smaller ones are thumbnails, labels, pyramid levels."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        series, alone = main_image(file)
        yield TiffArray(series, alone)


def main_image(file: TiffFile) -> tuple[TiffPageSeries, Alone]:
    """Return the image of a file, and what it is called in a set of several files.

    Raises
    ------
    UserError
        If there are several.
    """
    _check_chain(file)
    every, alone = ome_set.images_here(file) or (file.series, Alone())
    if not every:
        raise ValueError("no page in it")
    main, *others = _as_stack(every)
    if separate := [s for s in others if not _is_beside(s, main, file.is_ome)]:
        sizes = " and ".join(f"{h}×{w}" for h, w in map(_size_of, (main, separate[0])))
        raise ImageError(
            f"{len(separate) + 1} separate images in one file ({sizes} px, height × width"
            f"{', …' if len(separate) > 1 else ''}): save them apart"
        )
    return main, alone


def _as_stack(every: Sequence[TiffPageSeries]) -> list[TiffPageSeries]:
    """Join images that are alike and were written one by one, as tifffile notes it, to a stack."""
    first, page = every[0], every[0].keyframe
    alike = len(every) > 1 and all(
        (s.kind, s.shape, s.axes, s.dtype) == ("shaped", first.shape, page.axes, first.dtype)
        and len(s.pages) == 1
        and s.keyframe.hash == page.hash
        for s in every
    )
    if not alike:
        return list(every)
    from tifffile import TiffPageSeries

    pages = [s.keyframe for s in every]
    shape, axes = (len(pages), *first.shape), f"I{page.axes}"
    return [TiffPageSeries(pages, shape, first.dtype, axes, kind="uniform")]


def _size_of(series: TiffPageSeries) -> tuple[int, int]:
    sizes = dict(zip(series.axes, series.shape, strict=True))
    return sizes.get("Y", 1), sizes.get("X", 1)


def _is_beside(other: TiffPageSeries, main: TiffPageSeries, is_ome: bool) -> bool:
    """Whether an image of a file only goes with its main one: a thumbnail, a label, a level."""
    kind = int(other.keyframe.subfiletype)
    if kind & (_REDUCED | _MASK):
        return True
    (height, width), size = _size_of(other), _size_of(main)
    area, whole = height * width, math.prod(size)
    if _SIDE_PICTURE.search(other.name) and area < whole:
        return True
    # OME keeps levels with their image: what stands beside it is small only if it is a thumbnail.
    is_level = not is_ome and 2 * height <= size[0] + 1 and 2 * width <= size[1] + 1
    return is_level or area * (16 if is_ome else 4) <= whole


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

    Parameters
    ----------
    series : TiffPageSeries
        The image, or one of its coarser levels.
    alone : Alone
        What it is called in a set of several files.
    in_parts : bool
        Read only the tiles that are asked for, not whole pages.

    Attributes
    ----------
    axes, shape, dtype
        As `LazyPlane` wants them: samples last, as S if they are colours and as C if not.
    orientation : int
        Which way up it is.
    """

    def __init__(
        self, series: TiffPageSeries, alone: Alone | None = None, in_parts: bool = False
    ) -> None:
        self._series, self._page = series, series.keyframe
        tiff_colours.check(self._page)
        self._alone = alone or Alone()
        self._stored = _without_doubles(series.axes)
        sizes = dict(zip(self._stored, series.shape, strict=True))
        lead = self._stored.removesuffix(self._page.axes)
        self._lead = tuple(sizes[a] for a in lead)
        # A huge or foreign file may have one page record for all of its planes.
        self._paged = len(lead) + len(self._page.axes) == len(sizes) and (
            len(series.pages) == math.prod(self._lead)
        )
        self._whole: set[int] = set()  # pages that were looked at
        self._tiles = self._in_parts() if in_parts or self._is_too_large() else None
        own = "S" if "C" in sizes else tiff_colours.samples_axis(self._page)
        self.axes = self._stored.replace("S", "") + own * ("S" in sizes)
        self.shape = tuple(sizes[a if a in sizes else "S"] for a in self.axes)
        self.dtype = np.dtype(series.dtype)
        if tiff_colours.palette_of(self._page) is not None:
            self.axes, self.shape, self.dtype = self.axes + "S", (*self.shape, 3), np.dtype("u1")
        noted = self._page.tags.valueof(ORIENTATION, 1)
        self.orientation = noted if isinstance(noted, int) else 1

    def _is_too_large(self) -> bool:
        return not self._paged and self._series.nbytes > LARGEST_READ

    def _in_parts(self) -> Any:
        import zarr

        return zarr.open(self._series.aszarr(level=0), mode="r")

    def choice(
        self, plane: int | None, channels: Channels | None
    ) -> tuple[int | None, Channels | None]:
        """Return a choice as this file counts, of one made as the set counts that it is of."""
        if plane == self._alone.plane:
            plane = None
        named = [channels] if isinstance(channels, int) else channels
        if named is not None and [*named] == [self._alone.channel]:
            channels = None
        return plane, channels

    def __getitem__(self, index: tuple[Any, ...]) -> Pixels:
        of_axis = dict(zip(self.axes, index, strict=True))
        colours = of_axis.get("S", slice(None))
        of_axis["S"] = slice(None)  # which become colours together
        index = tuple(
            of_axis["C" if a == "S" and "S" not in self.axes else a] for a in self._stored
        )
        if self._tiles is not None:
            self._check_pages(index)
            found = np.asarray(self._tiles[index])
        elif self._paged:
            found = self._of_pages(index)
        else:
            self._check_pages(index)
            found = self._series.asarray()[index]
        left = [a for a, i in zip(self._stored, index, strict=True) if isinstance(i, slice)]
        if "S" in left:
            found = np.moveaxis(found, left.index("S"), -1)
        found = tiff_colours.gray_or_rgb(found, self._page)
        return found[..., colours] if "S" in self.axes else found

    def _numbers(self, index: tuple[Any, ...]) -> NDArray[np.int64]:
        """Return which pages the first part of an index means."""
        pages = np.arange(len(self._series.pages)).reshape(self._lead)
        return np.asarray(pages[index[: len(self._lead)]])

    def _of_pages(self, index: tuple[Any, ...]) -> Pixels:
        numbers = self._numbers(index)
        pages = [_page_pixels(self._series, int(n)) for n in np.ravel(numbers)]
        found = np.reshape(pages, (*numbers.shape, *self._page.shape))
        return found[(*[slice(None)] * numbers.ndim, *index[len(self._lead) :])]

    def _check_pages(self, index: tuple[Any, ...]) -> None:
        """Fail where some of a page is missing, which would be read as black."""
        numbers: list[int] = np.ravel(self._numbers(index)).tolist() if self._paged else [0]
        start = self._series.dataoffset  # of planes that lie one after the other
        end = 0 if start is None or self._paged else start + self._series.nbytes
        if end > self._page.parent.filehandle.size:
            raise ValueError("planes are missing")
        for number in [n for n in numbers if n not in self._whole]:
            _complete(self._series.pages[number] if self._paged else self._page, number)
            self._whole.add(number)


def _without_doubles(axes: str) -> str:
    """Give axes of one letter letters of their own: tifffile has one for all that it knows not."""
    return "".join(
        chr(ord("a") + k) if axes.count(a) > 1 and a not in "YXSC" else a
        for k, a in enumerate(axes)
    )


def _page_pixels(series: TiffPageSeries, number: int) -> Pixels:
    return _complete(series[number], number).asarray()


def _complete(page: TiffPage | TiffFrame | None, number: int) -> TiffPage | TiffFrame:
    """Return a page, or fail where some of it lies beyond the end of a cut file."""
    if page is None:
        raise ValueError(f"page {number} is missing")
    offsets, counts = np.array(page.dataoffsets), np.array(page.databytecounts)
    if len(offsets) < math.prod(page.chunked) or len(offsets) != len(counts):
        raise ValueError(f"pixels of page {number} are missing")
    ends = np.where(counts > 0, offsets + counts, 0)  # empty ones are left out on purpose
    if page.compression not in _STRICT and ends.max() > page.parent.filehandle.size:
        raise ValueError(f"pixels of page {number} are missing")
    return page
