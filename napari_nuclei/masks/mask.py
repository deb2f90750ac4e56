"""`Mask`: one object's pixels, immutable, cropped, run-length encoded.

No array of a whole image is ever made.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import cutting, rle
from .box import Box as Box
from .box import enclosing as enclosing
from .box import touches as touches


@dataclass(frozen=True, slots=True)
class Mask:
    """The pixels of one object.

    Attributes
    ----------
    y, x : int
        Position of the crop's upper left pixel in the image.
    height, width : int
        Size of the crop, which is as tight as can be; 0 for the empty mask.
    counts : bytes
        Run lengths of the crop, read column by column as COCO does, beginning with
        background: little-endian uint32.

    Notes
    -----
    The form is unique: masks with the same pixels are equal and hash alike.
    """

    y: int = 0
    x: int = 0
    height: int = 0
    width: int = 0
    counts: bytes = b""

    # -- making one -------------------------------------------------------------------

    @classmethod
    def from_array(cls, pixels: ArrayLike, y: int = 0, x: int = 0) -> Mask:
        """Make a mask of the true pixels of a 2-D array whose corner lies at (y, x)."""
        array = np.asarray(pixels, bool)
        if array.ndim != 2:
            raise ValueError(f"a mask is 2-D, this array has shape {array.shape}")
        rows = np.flatnonzero(array.any(1))
        if not len(rows):
            return cls()
        cols = np.flatnonzero(array.any(0))
        top, left = int(rows[0]), int(cols[0])
        crop = array[top : rows[-1] + 1, left : cols[-1] + 1]
        return cls(y + top, x + left, crop.shape[0], crop.shape[1], _encode(crop))

    @classmethod
    def from_pixels(cls, ys: ArrayLike, xs: ArrayLike) -> Mask:
        """Make a mask of the pixels with these coordinates, in any order."""
        rows, cols = np.asarray(ys, np.int64), np.asarray(xs, np.int64)
        if not rows.size:
            return cls()
        top, left = int(rows.min()), int(cols.min())
        crop = np.zeros((int(rows.max()) - top + 1, int(cols.max()) - left + 1), bool)
        crop[rows - top, cols - left] = True
        return cls(top, left, crop.shape[0], crop.shape[1], _encode(crop))

    @classmethod
    def from_coco(cls, code: dict[str, Any]) -> Mask:
        """Read a whole image's COCO RLE, compressed or not.

        Parameters
        ----------
        code : dict
            ``{"size": [H, W], "counts": str | bytes | list of int}``.

        Raises
        ------
        ValueError
            If the run lengths do not fill the image exactly.
        """
        height, width = (int(v) for v in code["size"])
        counts = code["counts"]
        if isinstance(counts, str):
            counts = counts.encode("ascii", "replace")
        if isinstance(counts, bytes):
            runs, sizes = rle.decompress([counts])
        else:
            runs = np.asarray(counts, np.int64)
            if runs.ndim != 1:
                raise ValueError("run lengths are a plain list of numbers")
            sizes = np.array([len(runs)])
        (corner,), runs, _ = rle.to_crops(runs, sizes, (height, width))
        y, x, height, width = corner.tolist()
        return cls(y, x, height, width, runs.astype("<u4").tobytes()) if height else cls()

    @classmethod
    def union_of(cls, masks: Iterable[Mask]) -> Mask:
        """Unite any number of masks."""
        parts = [m for m in masks if m]
        if not parts:
            return cls()
        y0, x0, y1, x1 = enclosing(m.box for m in parts)
        canvas = np.zeros((y1 - y0, x1 - x0), bool)
        for m in parts:
            m.paint(canvas, True, y0, x0)
        return cls.from_array(canvas, y0, x0)

    # -- reading it -------------------------------------------------------------------

    def __bool__(self) -> bool:
        return bool(self.counts)

    @property
    def box(self) -> Box:
        """The tight box: (y0, x0, y1, x1) in px, the second corner outside."""
        return self.y, self.x, self.y + self.height, self.x + self.width

    @property
    def bbox(self) -> list[int]:
        """COCO's box: [x, y, width, height] in px."""
        return [self.x, self.y, self.width, self.height]

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int(self._runs[1::2].sum())

    @property
    def centroid(self) -> tuple[float, float]:
        """Mean (y, x) of the pixels; (nan, nan) for the empty mask."""
        ys, xs = self.pixels()
        if not len(ys):
            return float("nan"), float("nan")
        return float(ys.mean()), float(xs.mean())

    @property
    def _runs(self) -> NDArray[np.uint32]:
        return np.frombuffer(self.counts, "<u4")

    def to_array(self) -> NDArray[np.bool_]:
        """Return the crop, (height, width) bool; its corner lies at (`y`, `x`)."""
        runs = self._runs
        values = (np.arange(len(runs)) & 1).astype(bool)
        return np.repeat(values, runs).reshape(self.width, self.height).T

    def pixels(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the image coordinates (ys, xs) of all pixels."""
        ys, xs = np.nonzero(self.to_array())
        return ys + self.y, xs + self.x

    def contains(self, y: int, x: int) -> bool:
        """Whether the mask has the pixel at (y, x)."""
        row, col = y - self.y, x - self.x
        if not (0 <= row < self.height and 0 <= col < self.width):
            return False
        ends = np.cumsum(self._runs)
        return bool(np.searchsorted(ends, col * self.height + row, side="right") % 2)

    def paint(self, canvas: NDArray[Any], value: Any, y: int = 0, x: int = 0) -> None:
        """Write `value` at the mask's pixels of a canvas whose corner lies at (y, x)."""
        y0, x0 = max(self.y, y), max(self.x, x)
        y1 = min(self.y + self.height, y + canvas.shape[0])
        x1 = min(self.x + self.width, x + canvas.shape[1])
        if y0 < y1 and x0 < x1:
            part = self.to_array()[y0 - self.y : y1 - self.y, x0 - self.x : x1 - self.x]
            canvas[y0 - y : y1 - y, x0 - x : x1 - x][part] = value

    def to_coco(self, shape: tuple[int, int]) -> dict[str, Any]:
        """Return the compressed COCO RLE of the whole image, with `counts` as str.

        Parameters
        ----------
        shape : (int, int)
            Height and width of the image.

        Raises
        ------
        ValueError
            If the mask does not lie inside the image.
        """
        runs = self.image_runs(shape)
        counts = rle.compress(runs, np.array([len(runs)]))[0]
        return {"size": [int(v) for v in shape], "counts": counts}

    def image_runs(self, shape: tuple[int, int]) -> NDArray[np.int64]:
        """Return the run lengths of the whole image, column by column."""
        y0, x0, y1, x1 = self.box
        if y0 < 0 or x0 < 0 or y1 > shape[0] or x1 > shape[1]:
            raise ValueError(f"a mask at {self.box} does not fit an image of {shape[0]}×{shape[1]}")
        runs = self._runs.astype(np.int64)
        return rle.to_image(np.array([self.box]), runs, np.array([len(runs)]), shape)[0]

    # -- with another one -------------------------------------------------------------

    def union(self, other: Mask) -> Mask:
        """Pixels of either."""
        return Mask.union_of((self, other))

    def minus(self, other: Mask) -> Mask:
        """Pixels of this one that the other has not."""
        if not touches(self.box, other.box):
            return self
        crop = self.to_array().copy()
        other.paint(crop, False, self.y, self.x)
        return Mask.from_array(crop, self.y, self.x)

    def intersection(self, other: Mask) -> Mask:
        """Pixels of both."""
        return self.minus(self.minus(other))

    def overlap(self, other: Mask) -> int:
        """Number of pixels in common."""
        y0, x0 = max(self.y, other.y), max(self.x, other.x)
        y1 = min(self.y + self.height, other.y + other.height)
        x1 = min(self.x + self.width, other.x + other.width)
        if y0 >= y1 or x0 >= x1:
            return 0
        a = self.to_array()[y0 - self.y : y1 - self.y, x0 - self.x : x1 - self.x]
        b = other.to_array()[y0 - other.y : y1 - other.y, x0 - other.x : x1 - other.x]
        return int(np.count_nonzero(a & b))

    def iou(self, other: Mask) -> float:
        """Intersection over union, 0…1; 0 for two empty masks."""
        both = self.overlap(other)
        either = self.area + other.area - both
        return both / either if either else 0.0

    # -- changed ----------------------------------------------------------------------

    def shift(self, dy: int, dx: int) -> Mask:
        """Move by whole pixels."""
        if not self:
            return self
        return Mask(self.y + dy, self.x + dx, self.height, self.width, self.counts)

    def thinned(self, step: int, y: int = 0, x: int = 0) -> Mask:
        """Keep every `step`-th row and column, counted from (y, x), which is (0, 0) then."""
        down, across = -(self.y - y) % step, -(self.x - x) % step
        pixels = self.to_array()[down::step, across::step]
        return Mask.from_array(pixels, (self.y + down - y) // step, (self.x + across - x) // step)

    def clip(self, shape: tuple[int, int]) -> Mask:
        """Drop what lies outside of an image of this height and width."""
        y0, x0, y1, x1 = self.box
        if y0 >= 0 and x0 >= 0 and y1 <= shape[0] and x1 <= shape[1]:
            return self
        top, left = max(y0, 0), max(x0, 0)
        crop = self.to_array()[top - y0 : max(0, shape[0] - y0), left - x0 : max(0, shape[1] - x0)]
        return Mask.from_array(crop, top, left)

    def parts(self) -> list[Mask]:
        """Return the 8-connected parts, largest first."""
        return self._numbered(cutting.connected(self.to_array()))

    def split(self, line: Sequence[tuple[float, float]]) -> list[Mask]:
        """Cut along a polyline; the cut's pixels go to the nearest part.

        Parameters
        ----------
        line : sequence of (y, x)
            Corners of the line in px of the image.

        Returns
        -------
        list of Mask
            The parts, largest first, together exactly this mask; one part if the line
            does not cut through.
        """
        here = [(y - self.y, x - self.x) for y, x in line]
        return self._numbered(cutting.along(self.to_array(), here))

    def _numbered(self, labels: NDArray[np.int32]) -> list[Mask]:
        from scipy import ndimage

        if not self:
            return []
        found = [
            Mask.from_array(labels[box] == value, self.y + box[0].start, self.x + box[1].start)
            for value, box in enumerate(ndimage.find_objects(labels), 1)
        ]
        return sorted(found, key=lambda m: -m.area)


def _encode(crop: NDArray[np.bool_]) -> bytes:
    flat = crop.T.ravel()
    edges = (flat[1:] != flat[:-1]).nonzero()[0] + 1
    borders = np.empty(len(edges) + 2, np.int64)  # np.diff with ends is slower
    borders[0], borders[1:-1], borders[-1] = 0, edges, flat.size
    runs = borders[1:] - borders[:-1]
    if flat[0]:
        runs = np.concatenate([[0], runs])
    return runs.astype("<u4").tobytes()
