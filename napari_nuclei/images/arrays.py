"""One plane of an array that a script has, by the rules for files."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ImageError, UserError
from .decoders import Channels, to_plane
from .large_files import LazyPlane, open_image
from .large_image import LargeImage

MAX_CHANNELS = 16
"""Longest last axis that is taken for channels."""

HINTS = {
    "ZYX": 'or say axes="CYX" if they are channels',
    "YXC": 'or say axes="ZYX" if they are planes',
}
"""What else an array may be."""

AXES = "a letter for each axis: Y, X, C for channels, S for RGB, Z or T for planes"


def open_any(
    image: Any,
    axes: str | None = None,
    plane: int | None = None,
    channels: Channels | None = None,
) -> LargeImage:
    """Open one plane of a file or an array; see `open_image` and `open_array`.

    Raises
    ------
    UserError
        As they do, and for several files.
    """
    if not isinstance(image, str | Path):
        if isinstance(image, list | tuple) and any(isinstance(i, str | Path) for i in image):
            raise ImageError("one image is needed, not several: pass them one by one")
        return open_array(image, axes, plane, channels)
    if axes is not None:
        raise ImageError("axes= is for arrays: a file states its own axes")
    return open_image(Path(image).expanduser(), plane, channels)


def open_array(
    array: Any,
    axes: str | None = None,
    plane: int | None = None,
    channels: Channels | None = None,
) -> LargeImage:
    """Take one plane out of an array of any number of dimensions.

    Parameters
    ----------
    array : array-like
        Lazy ones are read where they are looked at. Masked pixels do not count.
    axes : str, optional
        A letter for each axis, as `to_plane` takes them. By default the names that an xarray
        has, or else: colours last, then channels if they are few, planes first.
    plane, channels
        As for `images.read_image`.

    Raises
    ------
    UserError
        If it is no image, or there are several planes or channels and none is named.
    """
    data = _with_shape(array)
    if data.ndim < 2:
        raise ImageError(f"an image has 2 dimensions or more; this has {data.ndim}")
    if not all(data.shape):
        raise ImageError(f"the image is empty (shape {tuple(data.shape)})")
    if np.dtype(data.dtype).kind not in "buif":
        raise ImageError(f"pixels of type {data.dtype} are not supported: give real numbers")
    said = _checked(axes, data.shape) if axes is not None else _named(array)
    letters = said or _usual(data.shape, plane, channels)
    try:
        if isinstance(data, np.ndarray):
            return LargeImage(to_plane(data, letters, plane, channels))
        return LargeImage(LazyPlane(data, letters, plane, channels))
    except UserError as error:
        if said or "name one" not in str(error):
            raise
        hint = HINTS.get(letters, "or say with axes= what the axes are")
        raise ImageError(f"{error}, {hint}") from None


def _with_shape(array: Any) -> Any:
    """Return what has a shape, a type and slices."""
    if isinstance(array, np.ma.MaskedArray):
        hidden = np.ma.getmaskarray(array)
        return np.where(hidden, np.nan, array.data) if hidden.any() else np.asarray(array.data)
    if hasattr(array, "shape") and hasattr(array, "dtype") and hasattr(array, "ndim"):
        own = getattr(array, "data", None)  # of an xarray, which slices in a way of its own
        array = own if hasattr(array, "dims") and hasattr(own, "dtype") else array
        with suppress(TypeError):  # a tensor's type is none of numpy's
            np.dtype(array.dtype)
            return array
    try:
        return np.asarray(array)
    except ValueError:
        raise ImageError("this is not an image: its rows differ in length") from None


def _checked(axes: Any, shape: Sequence[int]) -> str:
    letters = axes.upper() if isinstance(axes, str) else ""
    unique = len(set(letters)) == len(letters) == len(shape)
    if not (unique and letters.isalpha() and {"Y", "X"} <= set(letters)):
        raise ImageError(
            f"axes={axes!r} does not fit an array of shape {tuple(shape)}: give {AXES}"
        )
    return letters


def _named(array: Any) -> str:
    """Return the axes that an array names itself; empty if it does not."""
    names = getattr(array, "dims", None)
    if not isinstance(names, tuple) or not all(isinstance(n, str) and n for n in names):
        return ""
    letters = "".join(n[0].upper() for n in names)
    return letters if len(set(letters)) == len(letters) and {"Y", "X"} <= set(letters) else ""


def _usual(shape: Sequence[int], plane: int | None, channels: Channels | None) -> str:
    lead, last = len(shape) - 2, shape[-1]
    if lead > 5:
        raise ImageError(f"an array of {len(shape)} axes: say what they are, with axes= ({AXES})")
    if lead and last in (3, 4) and last < min(shape[-3:-1]):
        return "TUVWZ"[-(lead - 1) :] * (lead > 1) + "YXS"
    if lead == 1 and last <= MAX_CHANNELS and last < min(shape[:2]):
        return "YXC"
    if lead == 1 and channels is not None and plane is None:
        return "CYX"
    return "TUVWZ"[5 - lead :] + "YX"
