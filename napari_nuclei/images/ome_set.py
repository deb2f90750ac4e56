"""One file of an OME-TIFF whose planes are spread over several: what lies in this one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffFrame, TiffPage, TiffPageSeries


@dataclass(frozen=True, slots=True)
class Alone:
    """Which numbers the whole set has for the one channel, and the one plane, of a file.

    Attributes
    ----------
    channel, plane : int or None
        None where the file holds several, or is no part of a set.
    """

    channel: int | None = None
    plane: int | None = None


def images_here(file: TiffFile) -> tuple[list[TiffPageSeries], Alone] | None:
    """Return the images of a file of a set; None if the file stands for itself.

    Planes of other files are never read, whether those lie beside it or not.
    """
    if not file.is_ome or not file.ome_metadata:
        return None
    names = {name.lower() for name in re.findall(r'FileName\s*=\s*"([^"]*)"', file.ome_metadata)}
    if names <= {file.filename.lower()}:
        return None
    try:
        root = ElementTree.fromstring(file.ome_metadata)
    except ElementTree.ParseError:
        return None
    files = {uuid.text or uuid.get("FileName") for uuid in _named(root, "UUID")}
    # A lone file may have been renamed.
    own = next(iter(files)) if len(files) == 1 else root.get("UUID")
    images = [_Image(pixels, own, file) for pixels in _named(root, "Pixels")]
    if len(files) < 2 and (not files or own == root.get("UUID")):
        return None
    here = [image for image in images if image.places]
    if not here:  # renamed, say: its pages are all that is known
        pages = [page for page in file.pages if page.shape == file.pages.first.shape]
        return [_series(pages, (len(pages),), "I")], Alone()
    return [image.series() for image in here], here[0].alone() if len(here) == 1 else Alone()


class _Image:
    """One image of the OME-XML, and its planes in this file."""

    def __init__(self, pixels: ElementTree.Element, own: str | None, file: TiffFile) -> None:
        self._file = file
        self._axes = "".join(reversed(pixels.get("DimensionOrder", "XYCZT")))[:3]
        self._sizes = [int(pixels.get(f"Size{axis}", 1)) for axis in self._axes]
        colours = next(_named(pixels, "Channel"), pixels).get("SamplesPerPixel", "1")
        self._sizes[self._axes.index("C")] //= int(colours)
        self.places: dict[tuple[int, ...], int] = {}
        for data in _named(pixels, "TiffData"):
            uuid = next(_named(data, "UUID"), None)
            name = "" if uuid is None else uuid.get("FileName", "")
            if uuid is None or own in (uuid.text, name) or name.lower() == file.filename.lower():
                self._add(data)

    def _add(self, data: ElementTree.Element) -> None:
        first = int(data.get("IFD", 0))
        count = data.get("PlaneCount", data.get("NumPlanes"))
        pages = len(self._file.pages)
        number = int(count) if count else 1 if "IFD" in data.attrib else pages - first
        start = [int(data.get(f"First{axis}", 0)) for axis in self._axes]
        if any(not 0 <= k < n for k, n in zip(start, self._sizes, strict=True)):
            return
        begin = int(np.ravel_multi_index(start, self._sizes))
        for k in range(min(number, pages - first, int(np.prod(self._sizes)) - begin)):
            at = np.unravel_index(begin + k, self._sizes)
            self.places[tuple(int(i) for i in at)] = first + k

    def _grid(self) -> list[list[int]]:
        """Return which numbers there are along each axis."""
        return [sorted(set(numbers)) for numbers in zip(*self.places, strict=True)]

    def series(self) -> TiffPageSeries:
        """Return the planes here as an image; as a plain list of planes where some are missing."""
        grid = self._grid()
        shape = tuple(map(len, grid))
        places = sorted(self.places)
        pages = [self._file.pages[self.places[place]] for place in places]
        if int(np.prod(shape)) != len(pages):
            return _series(pages, (len(pages),), "I")
        kept = [k for k, n in enumerate(shape) if n > 1]
        return _series(pages, tuple(shape[k] for k in kept), "".join(self._axes[k] for k in kept))

    def alone(self) -> Alone:
        """Return what the set calls the one channel and the one plane of this file."""
        grid = dict(zip(self._axes, self._grid(), strict=True))
        channels = grid.pop("C", [0])
        plane = None
        if all(len(numbers) == 1 for numbers in grid.values()):
            sizes = [n for axis, n in zip(self._axes, self._sizes, strict=True) if axis != "C"]
            plane = int(np.ravel_multi_index([n[0] for n in grid.values()], sizes))
        return Alone(channels[0] if len(channels) == 1 else None, plane)


def _named(element: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    return (found for found in element.iter() if found.tag.rpartition("}")[2] == name)


def _series(
    pages: Sequence[TiffPage | TiffFrame], shape: tuple[int, ...], axes: str
) -> TiffPageSeries:
    from tifffile import TiffPageSeries

    page = pages[0]
    if any(p.shape != page.shape or p.dtype != page.dtype for p in pages):
        raise ValueError("its planes are of several sizes")
    return TiffPageSeries(pages, (*shape, *page.shape), page.dtype, axes + page.axes, kind="ome")
