"""`Layout`: which axes a file has, in its own order."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ..errors import ImageError, UserError
from .decoders import TIFF_MAGIC, inspect, starts_with
from .images import is_zarr
from .tiff import open_tiff

CHANNEL = "C"


@dataclass(frozen=True, slots=True)
class Layout:
    """The axes of a file.

    Attributes
    ----------
    axes : str
        A letter for each axis but those of y, x and colours; C is that of separate channels,
        all others count planes.
    sizes : tuple of int
        Of these axes.
    shape : (int, int)
        Height and width of a plane in px.
    colours : int
        How many colours a pixel has: 3 for RGB, else 1.
    """

    axes: str
    sizes: tuple[int, ...]
    shape: tuple[int, int]
    colours: int = 1

    @property
    def channels(self) -> int:
        """How many channels or colours of a plane can be told apart."""
        return dict(zip(self.axes, self.sizes, strict=True)).get(CHANNEL, self.colours)

    @property
    def stack(self) -> tuple[int, ...]:
        """Size along the axes that count planes."""
        pairs = zip(self.axes, self.sizes, strict=True)
        return tuple(n for a, n in pairs if a != CHANNEL)

    @property
    def planes(self) -> int:
        """How many planes there are."""
        return math.prod(self.stack)


def layout_of(path: Path) -> Layout | None:
    """Tell which axes a file has; None if it cannot be read here."""
    try:
        about = path.stat()
        return _layout(path.absolute(), about.st_size, about.st_mtime_ns)
    except (OSError, UserError):
        return None


@lru_cache(256)
def _layout(path: Path, size: int, modified: int) -> Layout:
    if is_zarr(path):
        from .large_files import zarr_axes

        return _of(*zarr_axes(path))
    if starts_with(path, TIFF_MAGIC):
        try:
            with open_tiff(path) as array:
                return _of(array.axes, array.shape)
        except UserError:
            raise
        except Exception as error:  # decoders raise nearly anything on broken files
            raise ImageError(f"{path}: broken or cut short") from error
    info = inspect(path)
    axes, sizes = ("I", (info.planes,)) if info.planes > 1 else ("", ())
    return Layout(axes, sizes, (info.height, info.width), _bands(path))


def _of(axes: str, shape: Sequence[int]) -> Layout:
    sizes = dict(zip(axes, shape, strict=True))
    lead = [(a, n) for a, n in zip(axes, shape, strict=True) if a not in "YXS"]
    double = {a for a, n in Counter(a for a, _ in lead).items() if n > 1}
    # tifffile has one letter for all axes that it does not know.
    letters = [chr(0x61 + k) if a in double else a for k, (a, _) in enumerate(lead)]
    colours = 3 if sizes.get("S", 1) >= 3 else 1
    return Layout("".join(letters), tuple(n for _, n in lead), (sizes["Y"], sizes["X"]), colours)


def _bands(path: Path) -> int:
    from PIL import Image

    with Image.open(path) as image:
        return 3 if len(image.getbands()) >= 3 else 1


def shown_axes(layout: Layout, lead: Sequence[int], shape: tuple[int, int]) -> str | None:
    """Tell which axis of a file each leading axis of an array shows.

    Parameters
    ----------
    lead : sequence of int
        Size of the array along all axes but y, x and colours.
    shape : (int, int)
        Its height and width.

    Returns
    -------
    str or None
        A letter for each axis, ``"1"`` for those of length 1 that the file lacks. That of the
        channels may be missing: the array then shows one of them, or all as colours. None if the
        array does not show all planes of the file, or that cannot be told.
    """
    if shape != layout.shape:
        return None
    own = [(a, n) for a, n in zip(layout.axes, layout.sizes, strict=True) if n > 1]
    wanted = [n for n in lead if n > 1]
    for axes in (own, [(a, n) for a, n in own if a != CHANNEL]):
        letters = _matched(axes, wanted)
        if letters is not None:
            found = iter(letters)
            return "".join(next(found) if n > 1 else "1" for n in lead)
    return None


def _matched(axes: list[tuple[str, int]], wanted: list[int]) -> str | None:
    """Return the letters of axes for sizes: in their order, or where each size is there once."""
    sizes = [n for _, n in axes]
    if sizes == wanted:
        return "".join(a for a, _ in axes)
    if sorted(sizes) == sorted(wanted) and max(Counter(sizes).values(), default=0) == 1:
        by_size = {n: a for a, n in axes}
        return "".join(by_size[n] for n in wanted)
    return None


def plane_number(layout: Layout, axes: str, at: Sequence[int]) -> int:
    """Return which plane of a file, from 0 in its own order, lies at indices along some axes."""
    place = dict(zip(axes, at, strict=True))
    number = 0
    for axis, size in zip(layout.axes, layout.sizes, strict=True):
        if axis != CHANNEL:
            number = number * size + place.get(axis, 0)
    return number
