"""`LazyPlane`: one plane of an array with named axes, upright, read where it is sliced."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError
from ..wording import option
from .trouble import one_line

Pixels = NDArray[Any]
Channels = int | Sequence[int]

Plane = tuple[int, ...]
"""A plane of a stack: its number along each axis that counts planes; () for an image."""

TURNS = {
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}
"""Orientation as EXIF and TIFF note it → rows and columns swapped, upside down, left to right."""


class LazyPlane:
    """One plane of an array, (H, W) or (H, W, C), read where it is sliced.

    Parameters
    ----------
    array : array-like
        Anything with `shape` and `dtype` that slices.
    axes : str
        A letter for each dimension: Y, X; C for separate channels; S for the samples of RGB(A) or
        of gray and alpha; any other (Z, T, …) counts planes.
    plane : int, optional
        Which plane, counted in the array's own order.
    channels : int or sequence of int, optional
        Which channels, up to three; by default the colours without alpha.
    file : object, optional
        What is to stay open as long as it lives.
    orientation : int
        As EXIF and TIFF note it; 1 is upright.
    source : object
        What is named when it cannot be read.

    Raises
    ------
    UserError
        If there is no such plane or channel, or several and none is named.
    """

    def __init__(
        self,
        array: Any,
        axes: str,
        plane: int | None = None,
        channels: Channels | None = None,
        file: object = None,
        orientation: int = 1,
        source: object = "",
    ) -> None:
        self._array, self._axes, self._file, self._source = array, axes, file, source
        sizes = dict(zip(axes, array.shape, strict=True))
        if len(sizes) < len(axes):
            raise ValueError(f"the axes {axes} have one letter twice")
        self._colour_axis = _colour_axis(sizes)
        stack = {a: n for a, n in sizes.items() if a not in ("Y", "X", self._colour_axis)}
        number = pick_plane(math.prod(stack.values()), plane)
        at = np.unravel_index(number, tuple(stack.values())) if stack else ()
        self._at = dict(zip(stack, map(int, at), strict=True))
        self._colours = _wanted(sizes, self._colour_axis, channels)
        self._swapped, self._upside_down, self._mirrored = TURNS.get(orientation, (False,) * 3)
        size = (int(sizes["Y"]), int(sizes["X"]))
        colours = (len(self._colours),) if len(self._colours) > 1 else ()
        self.shape: tuple[int, ...] = (*(size[::-1] if self._swapped else size), *colours)
        self.ndim = len(self.shape)
        self.dtype = np.dtype(array.dtype)

    def __getitem__(self, index: tuple[slice, ...]) -> Pixels:
        (y0, y1, dy), (x0, x1, dx) = (
            s.indices(n) for s, n in zip(index[:2], self.shape, strict=False)
        )
        height, width = self.shape[:2]
        rows = slice(height - y1, height - y0) if self._upside_down else slice(y0, y1)
        cols = slice(width - x1, width - x0) if self._mirrored else slice(x0, x1)
        with one_line(self._source) if self._source else nullcontext():
            found = self._read(cols, rows) if self._swapped else self._read(rows, cols)
        found = found.swapaxes(0, 1) if self._swapped else found
        found = found[:: -1 if self._upside_down else 1, :: -1 if self._mirrored else 1]
        return found[::dy, ::dx]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Pixels:
        return np.asarray(self[:, :], dtype)

    def _read(self, rows: slice, cols: slice) -> Pixels:
        low, high = min(self._colours), max(self._colours)
        window: dict[str, Any] = {"Y": rows, "X": cols, **self._at}
        if self._colour_axis:
            window[self._colour_axis] = slice(low, high + 1)
        index = tuple(window[a] for a in self._axes)
        found = np.asarray(self._array[index])
        left = [a for a, i in zip(self._axes, index, strict=True) if isinstance(i, slice)]
        found = found.transpose([left.index(a) for a in ("Y", "X", self._colour_axis) if a])
        if not self._colour_axis:
            return found
        chosen = [c - low for c in self._colours]
        if len(chosen) == 1:
            return found[..., 0]
        return found if chosen == [*range(high + 1 - low)] else found[..., chosen]


def to_plane(
    array: Any, axes: str, plane: int | None = None, channels: Channels | None = None
) -> Pixels:
    """Take one plane out of an array with named axes, whole; see `LazyPlane`."""
    return np.asarray(LazyPlane(array, axes, plane, channels))


def planes_of(axes: str, shape: Sequence[int]) -> int:
    """Return how many planes an array with named axes has."""
    sizes = dict(zip(axes, shape, strict=True))
    colours = _colour_axis(sizes, strict=False)
    return math.prod(n for a, n in sizes.items() if a not in ("Y", "X", "C", colours))


def _colour_axis(sizes: dict[str, int], strict: bool = True) -> str:
    """Return the axis that colours or channels lie along; empty if there is none."""
    if "S" not in sizes:
        return "C" if "C" in sizes else ""
    if strict and sizes.get("C", 1) > 1:
        raise ImageError("separate channels of RGB pixels are not supported: save each apart")
    return "S"


def _wanted(sizes: dict[str, int], axis: str, channels: Channels | None) -> list[int]:
    count = sizes[axis] if axis else 1
    if channels is not None:
        return checked_channels(channels, count)
    if axis == "S":
        return [0, 1, 2] if count > 2 else [0]
    if count > 1:
        raise ImageError(
            f"{count} channels: name one, or up to three, with {option('channels')} "
            f"(0 to {count - 1})"
        )
    return [0]


def checked_channels(channels: Channels, count: int) -> list[int]:
    """Return the numbers of one to three of `count` channels.

    Raises
    ------
    UserError
        If they are more, or there is no such channel.
    """
    wanted = [channels] if isinstance(channels, int | np.integer) else list(channels)
    if not 1 <= len(wanted) <= 3:
        raise ImageError(f"{len(wanted)} channels named: name one to three")
    if wrong := [c for c in wanted if not 0 <= c < count]:
        there = "there is only 0" if count == 1 else f"there are {count}, counted from 0"
        raise ImageError(f"no channel {wrong[0]}: {there}")
    return [int(c) for c in wanted]


def pick_channels(pixels: Pixels, channels: Channels) -> Pixels:
    """Take one channel, (H, W), or two or three, (H, W, 2 or 3), from (H, W, C)."""
    chosen = checked_channels(channels, pixels.shape[2])
    return pixels[..., chosen[0]] if len(chosen) == 1 else pixels[..., chosen]


def pick_plane(count: int, plane: int | None) -> int:
    """Check the choice of one of `count` planes, or say that one must be made."""
    if plane is None and count > 1:
        raise ImageError(
            f"stack of {count} planes: name one with {option('plane')} (0 to {count - 1})"
        )
    if not 0 <= (plane or 0) < count:
        there = "there is only 0" if count == 1 else f"there are {count}, counted from 0"
        raise ImageError(f"no plane {plane}: {there}")
    return plane or 0
